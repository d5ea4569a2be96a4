"""The revocation endpoint (RFC 7009)."""

from authlib.oauth2.rfc7009 import RevocationEndpoint

from issuer.errors import InvalidCredentials, InvalidField
from issuer.oauth.errors import OAuthError
from issuer.oauth.recording import actor_of
from issuer.oauth.request import ProtocolRequest, required
from issuer.refresh import PREFIX
from issuer.revocations import FeedFull
from issuer.tokens import VerifiedToken
from issuer.vocabulary import ErrorCode


class Revocation(RevocationEndpoint):  # type: ignore[misc]
    """A client gives up a token of its own. What is no living token needs no end (§2.2)."""

    PATH = "/oauth2/revoke"

    def authenticate_token(
        self, request: ProtocolRequest, client: object
    ) -> str | VerifiedToken | None:
        """Authlib's hook. A refresh token as it is, an access token verified, None for others.

        A hint is not needed (§2.1): the two cannot be taken for each other.
        """
        token = required(request, "token")
        return token if token.startswith(PREFIX) else self._access_token(token, request)

    def revoke_token(self, token: str | VerifiedToken, request: ProtocolRequest) -> None:
        """Authlib's hook. Durable before the answer."""
        services, actor = self.server.services, actor_of(request)
        if isinstance(token, VerifiedToken):
            self._revoke_access_token(request)
        elif not services.refresh.revoke(token, str(actor.id), actor):
            # Another client's is one of these: who has it need not learn that it lives.
            request.nothing_done = "no living refresh token of the client"

    def _revoke_access_token(self, request: ProtocolRequest) -> None:
        try:
            with self.server.services.changing(actor_of(request)) as rooms:
                rooms.token_revocations.give_up(required(request, "token"))
        except InvalidField as error:
            request.nothing_done = error.message  # it expired this moment
        except FeedFull as error:  # RFC 7009 §2.2.1: the token still exists
            raise OAuthError(
                ErrorCode.TEMPORARILY_UNAVAILABLE,
                "Not revoked: too many tokens of this client are. It stays valid until it expires.",
                retry_after=error.retry_after,
            ) from None

    def _access_token(self, token: str, request: ProtocolRequest) -> VerifiedToken | None:
        try:
            verified: VerifiedToken = self.server.services.any_tokens.read(token)
        except InvalidCredentials as error:
            request.nothing_done = error.reason.partition(":")[0]  # no word of what was sent
            return None
        if verified.client_id != request.client.record.client_id:
            # Everybody can read that in the token: the answer tells nothing new.
            raise OAuthError(ErrorCode.INVALID_GRANT, "The token was issued to another client.")
        return verified
