"""The revocation endpoint (RFC 7009)."""

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc7009 import RevocationEndpoint

from issuer.audit import Actor
from issuer.errors import InvalidCredentials
from issuer.oauth.client_authentication import METHODS
from issuer.oauth.errors import NothingDone, OAuthError
from issuer.oauth.request import required
from issuer.refresh_tokens import PREFIX
from issuer.revocations import FeedFull
from issuer.tokens import VerifiedToken
from issuer.vocabulary import ErrorCode


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """A client revokes a token of its own. A token that is not active is no error (§2.2)."""

    PATH = "/oauth2/revoke"
    METHODS = METHODS
    IS_FOR_SCRIPTS = True

    def authenticate_token(self, request: OAuth2Request, client: object) -> str | VerifiedToken:
        """Authlib's hook. A refresh token unchanged, an access token verified.

        The hint is ignored (§2.1): the two kinds of tokens look different.
        """
        token = required(request.authenticated, "token")
        return token if token.startswith(PREFIX) else self._access_token(token, request)

    def revoke_token(self, token: str | VerifiedToken, request: OAuth2Request) -> None:
        """Authlib's hook. Durable before the answer."""
        actor = request.authenticated.actor
        if isinstance(token, VerifiedToken):
            self._revoke_access_token(token, actor)
        elif not self.server.tokens.refresh_tokens.revoke(token, str(actor.id), actor):
            # The same for a token of another client: the caller must not learn that it is active.
            raise NothingDone("no active refresh token of the client")

    def _revoke_access_token(self, token: VerifiedToken, actor: Actor) -> None:
        try:
            with self.server.administration.changing(actor) as work:
                work.token_revocations.revoke_own(token)
        except FeedFull as error:  # RFC 7009 §2.2.1: the token still exists
            raise OAuthError(
                ErrorCode.TEMPORARILY_UNAVAILABLE,
                "Not revoked: the revocation feed cannot list more tokens of this client."
                " The token stays valid until it expires.",
                retry_after=error.retry_after,
            ) from None

    def _access_token(self, token: str, request: OAuth2Request) -> VerifiedToken:
        try:
            verified: VerifiedToken = self.server.tokens.any_reader.read(token)
        except InvalidCredentials as error:
            # Without the part that may quote the token.
            raise NothingDone(error.reason.partition(":")[0]) from None
        if verified.client_id != request.authenticated.client.client_id:
            # The token itself names its client: the response reveals nothing new.
            raise OAuthError(ErrorCode.INVALID_GRANT, "The token was issued to another client.")
        return verified
