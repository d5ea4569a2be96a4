"""The client credentials grant (RFC 6749 §4.4)."""

from issuer.oauth.grants.grant import Grant, Granted, in_session, requested_audience
from issuer.oauth.messages import AuthenticatedRequest, requested_scopes
from issuer.tokens import Authorization
from issuer.vocabulary import GrantType


class ClientCredentials(Grant):
    """A client on its own behalf. Decided from memory: no query, no thread."""

    grant_type = GrantType.CLIENT_CREDENTIALS

    def authorize(self, request: AuthenticatedRequest) -> Granted:
        held = Authorization.of_client(request.client, requested_audience(request))
        return self.granted(request, in_session(held, request), requested_scopes(request))
