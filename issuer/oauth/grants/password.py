"""The resource owner password credentials grant (RFC 6749 §4.3; see RFC 9700 §2.4)."""

from authlib.oauth2.rfc6749.grants import ResourceOwnerPasswordCredentialsGrant

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.errors import OAuthError
from issuer.oauth.grants.grant import Grant
from issuer.oauth.recording import actor_of, issue_of
from issuer.tokens import Authorization
from issuer.vocabulary import ErrorCode, GrantType


class Password(Grant, ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    """A user through a client. Hashes and queries: runs in the pool for passwords."""

    GRANT_TYPE = GrantType.PASSWORD
    hashes_passwords = True

    def authenticate_user(self, username: str, password: str) -> UserRecord:
        """Authlib's hook. `invalid_grant` for everything that can be wrong (RFC 6749 §5.2)."""
        services = self.server.services
        try:
            user: UserRecord = services.sign_in.authenticate(
                username,
                password,
                actor_of(self.request),
                through_client=True,  # every client with this grant has a secret
                may_wait=self.request.may_wait,
            )
        except InvalidCredentials as error:
            raise self._refusal(error) from None
        # A password that was changed a moment ago, elsewhere: this token must not be of before.
        services.changes.look()
        return user

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        return Authorization.of_user(self.request.user, client, audience)

    def generate_token(self, *arguments: object, **more: object) -> dict[str, object]:
        """With a refresh token, for a client that may use one (RFC 6749 §4.3.3)."""
        answer = super().generate_token(*arguments, **more)
        authorization = self.request.granted.authorization
        if authorization.sid is None:
            return answer
        try:
            token = self.server.services.refresh.begin(
                self.request.user, authorization, issue_of(self.request)
            )
        except InvalidCredentials as error:
            self.request.issued = None  # it did not leave
            raise self._refusal(error) from None
        self.request.is_recorded = True
        return {**answer, "refresh_token": token}

    def _sid(self, client: ClientRecord) -> str | None:
        """That of a new family, for a client that may use a refresh token."""
        if GrantType.REFRESH_TOKEN not in client.grant_types:
            return None
        family_id: str = self.server.services.refresh.new_family_id()
        return family_id

    def _refusal(self, error: InvalidCredentials) -> OAuthError:
        self.request.named_subject = error.subject
        return OAuthError(
            ErrorCode.INVALID_GRANT, "Wrong username or password.", reason=error.reason
        )
