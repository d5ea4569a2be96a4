"""The resource owner password credentials grant (RFC 6749 §4.3; see RFC 9700 §2.4)."""

from authlib.oauth2.rfc6749.grants import ResourceOwnerPasswordCredentialsGrant

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.errors import OAuthError
from issuer.oauth.grants.grant import Grant
from issuer.tokens import Authorization
from issuer.vocabulary import ErrorCode, GrantType


class Password(Grant, ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    """A user through a client. Hashes and queries: runs in the pool for passwords."""

    GRANT_TYPE = GrantType.PASSWORD
    hashes_passwords = True

    def authenticate_user(self, username: str, password: str) -> UserRecord:
        """Authlib's hook. `invalid_grant` for everything that can be wrong (RFC 6749 §5.2)."""
        try:
            user_id = self.server.services.sign_in.authenticate(username, password)
        except InvalidCredentials as error:
            raise _wrong(error.reason) from None
        user: UserRecord | None = self.server.services.directory.load_user(user_id)
        if user is None:
            raise _wrong("deleted while signing in")
        return user

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        return Authorization.of_user(self.request.user, client, audience)


def _wrong(reason: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_GRANT, "Wrong username or password.", reason=reason)
