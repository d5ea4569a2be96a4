"""The client credentials grant (RFC 6749 §4.4)."""

from issuer.oauth.grants.grant import Grant, Granted, in_session, requested_audience
from issuer.oauth.messages import AuthenticatedRequest, requested_scopes
from issuer.scopes import ISSUER_SCIM
from issuer.tokens.authorization import Authorization
from issuer.vocabulary import GrantType

_SCIM = "scim"  # what Entra asks for where it provisions as a workload


class ClientCredentials(Grant):
    """A client on its own behalf. Decided from memory: no query, no thread."""

    grant_type = GrantType.CLIENT_CREDENTIALS

    def authorize(self, request: AuthenticatedRequest) -> Granted:
        audience = requested_audience(request)
        held = Authorization.of_client(request.client, audience)
        asked = requested_scopes(request)
        if asked == [_SCIM] and audience.is_own:
            asked = [ISSUER_SCIM]
        return self.grant(request, in_session(held, request), asked)
