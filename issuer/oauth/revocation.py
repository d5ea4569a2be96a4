"""The revocation endpoint (RFC 7009)."""

from dataclasses import dataclass

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.errors import InvalidCredentials
from issuer.oauth.client_authentication import METHODS
from issuer.oauth.client_endpoint import ClientEndpoint
from issuer.oauth.messages import (
    AuthenticatedRequest,
    NothingDone,
    OAuthError,
    OAuthResponse,
    require,
)
from issuer.refresh_tokens import PREFIX
from issuer.revocations.revocations import FeedFull
from issuer.tokens import VerifiedToken
from issuer.vocabulary import ErrorCode


@dataclass(eq=False, repr=False)
class Revocation(ClientEndpoint):
    """A client revokes a token of its own. A token that is not active is no error (§2.2)."""

    name = "revocation"
    path = "/oauth2/revoke"
    methods = METHODS
    is_for_scripts = True

    _administration: Administration

    def answer(self, request: AuthenticatedRequest) -> OAuthResponse:
        """Durable before the answer. The hint is ignored (§2.1): a token shows its kind."""
        token, client_id = require(request, "token"), request.client.client_id
        if not token.startswith(PREFIX):
            self._revoke_access_token(self._access_token(token, client_id), request.actor)
        elif not self._tokens.refresh_tokens.revoke(token, client_id, request.actor):
            # The same for a token of another client: the caller must not learn that it is active.
            raise NothingDone("no active refresh token of the client")
        return OAuthResponse(200, {})

    def _revoke_access_token(self, token: VerifiedToken, actor: Actor) -> None:
        try:
            with self._administration.changing(actor) as work:
                work.token_revocations.revoke_own(token)
        except FeedFull as error:  # RFC 7009 §2.2.1: the token still exists
            raise OAuthError(
                ErrorCode.TEMPORARILY_UNAVAILABLE,
                "Not revoked: the revocation feed cannot list more tokens of this client."
                " The token stays valid until it expires.",
                retry_after=error.retry_after,
            ) from None

    def _access_token(self, token: str, client_id: str) -> VerifiedToken:
        try:
            verified = self._tokens.any_reader.read(token)
        except InvalidCredentials as error:
            # Without the part that may quote the token.
            raise NothingDone(error.reason.partition(":")[0]) from None
        if verified.client_id != client_id:
            # The token itself names its client: the response reveals nothing new.
            raise OAuthError(ErrorCode.INVALID_GRANT, "The token was issued to another client.")
        return verified
