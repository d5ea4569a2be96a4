"""The resource owner password credentials grant (RFC 6749 §4.3; see RFC 9700 §2.4)."""

from authlib.oauth2.rfc6749.grants import ResourceOwnerPasswordCredentialsGrant

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.errors import OAuthError, invalid_grant
from issuer.oauth.grants.grant import Grant, Store
from issuer.oauth.request import AuthenticatedRequest, PasswordAttempt, required
from issuer.refresh_tokens import TokenToStore
from issuer.tokens import Authorization, RevokedUntil
from issuer.vocabulary import ErrorCode, GrantType


def presented_username(request: AuthenticatedRequest) -> str:
    """The user whose password the client presents; `OAuthError` if it may not, or does not.

    To be asked before the limits of that user, which such requests must neither use up nor reveal.
    """
    if GrantType.PASSWORD not in request.client.grant_types:
        description = "The client is not authorized to use 'grant_type=password'"
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, description)
    username = required(request, "username")
    required(request, "password")
    return username


class Password(Grant, ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    """A user through a client. Hashes and queries: runs in the pool for passwords."""

    GRANT_TYPE = GrantType.PASSWORD
    hashes_passwords = True

    def authenticate_user(self, username: str, password: str) -> UserRecord:
        """Authlib's hook. `invalid_grant` for every wrong username or password (RFC 6749 §5.2)."""
        attempt = self.authenticated.attempt or PasswordAttempt()
        try:
            user: UserRecord = self.server.sign_in.authenticate(
                username,
                password,
                self.authenticated.actor,
                through_client=True,  # every client with this grant has a secret
                may_wait=attempt.may_wait,
            )
        except InvalidCredentials as error:
            raise invalid_grant(error.reason, error.subject) from None
        attempt.is_right = True
        # Another process may just have changed the password and revoked the tokens: read that now.
        self.server.tokens.changes.poll()
        return user

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        return Authorization.of_user(self.request.user, client, audience)

    def store_for(self, authorization: Authorization) -> Store | None:
        """The first token of a family, for a client with that grant type (RFC 6749 §4.3.3)."""
        if authorization.sid is None:
            return None
        user, refresh_tokens = self.request.user, self.server.tokens.refresh_tokens

        def begin(issue: TokenToStore) -> str | RevokedUntil:
            try:
                begun: str | RevokedUntil = refresh_tokens.begin(user, authorization, issue)
            except InvalidCredentials as error:
                raise invalid_grant(error.reason, error.subject) from None
            return begun

        return begin

    def _sid(self, client: ClientRecord) -> str | None:
        """The id of a new family, for a client that may use refresh tokens."""
        if GrantType.REFRESH_TOKEN not in client.grant_types:
            return None
        family_id: str = self.server.tokens.refresh_tokens.new_family_id()
        return family_id
