"""The client credentials grant (RFC 6749 §4.4)."""

from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from issuer.directory import AudienceRecord, ClientRecord
from issuer.oauth.grants.grant import Grant
from issuer.tokens import Authorization
from issuer.vocabulary import GrantType


class ClientCredentials(Grant, ClientCredentialsGrant):  # type: ignore[misc]
    """A client on its own behalf. Decided from memory: no query, no thread."""

    GRANT_TYPE = GrantType.CLIENT_CREDENTIALS

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        return Authorization.of_client(client, audience)
