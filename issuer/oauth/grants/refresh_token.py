"""The refresh token grant (RFC 6749 §6); the token changes at every use (RFC 9700 §4.14.2)."""

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.errors import OAuthError
from issuer.oauth.grants.grant import Grant
from issuer.oauth.recording import actor_of, issue_of
from issuer.oauth.request import scopes_asked
from issuer.refresh import Asked, Overtaken, Presented
from issuer.tokens import Authorization
from issuer.vocabulary import ErrorCode, GrantType


class PresentedToken(TokenMixin):  # type: ignore[misc]
    """A refresh token as Authlib's grant asks about one."""

    def __init__(self, presented: Presented) -> None:
        self.presented = presented
        self.family = presented.family

    def check_client(self, client: ClientMixin) -> bool:
        client_id: str = client.record.client_id
        return self.family.client_id == client_id

    def get_scope(self) -> str:
        return " ".join(sorted(self.family.scopes))


class RefreshToken(Grant, RefreshTokenGrant):  # type: ignore[misc]
    """A client again, for a user who signed in before. Queries: runs in the pool for that."""

    GRANT_TYPE = GrantType.REFRESH_TOKEN
    queries = True

    def authenticate_refresh_token(self, refresh_token: str) -> PresentedToken:
        """Authlib's hook. `invalid_grant` for everything that can be wrong (RFC 6749 §5.2)."""
        asked = Asked(scopes_asked(self.request), self.request.parameters.get("session_id"))
        client_id = self.request.client.record.client_id
        try:
            presented = self.server.services.refresh.present(
                refresh_token, client_id, asked, actor_of(self.request)
            )
        except InvalidCredentials as error:
            self.request.named_subject = error.subject
            raise _invalid_grant(error.reason) from None
        return PresentedToken(presented)

    def _validate_token_scope(self, token: PresentedToken) -> None:
        """Authlib compares texts; what covers what is known where every grant is narrowed."""

    def authenticate_user(self, refresh_token: PresentedToken) -> UserRecord:
        """Authlib's hook. The user as the database has it now."""
        user_id = refresh_token.family.user_id
        user: UserRecord | None = self.server.services.directory.load_user(user_id)
        if user is None or user.disabled:
            self.request.named_subject = user_id
            raise _invalid_grant("the user is gone or disabled")
        self.request.user = user
        return user

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        held = Authorization.of_user(self.request.user, client, audience)
        return held.within(self.request.refresh_token.family.scopes)

    def generate_token(self, *arguments: object, **more: object) -> dict[str, object]:
        """Access token and refresh token; of requests at the same time one is the first."""
        while True:
            answer = super().generate_token(*arguments, **more)
            presented: Presented = self.request.refresh_token.presented
            try:
                token = self.server.services.refresh.use(presented, issue_of(self.request))
            except Overtaken:
                # Not issued: it did not leave. By now the token was used before.
                self.request.issued = None
                self.request.refresh_token = self.authenticate_refresh_token(presented.token)
                continue
            self.request.is_recorded = True
            return {**answer, "refresh_token": token}

    def revoke_old_credential(self, refresh_token: PresentedToken) -> None:
        """Authlib's hook. Done with the new one, in one transaction."""

    def _audience(self, client: ClientRecord) -> AudienceRecord:
        """That of the sign-in, and no other (RFC 8707 §2.2)."""
        granted = self.request.refresh_token.family.audience_id
        if self._audience_asked() not in {None, granted}:
            raise OAuthError(ErrorCode.INVALID_TARGET, "The refresh token is for another audience.")
        return self._permitted(client, granted)

    def _sid(self, client: ClientRecord) -> str | None:
        family_id: str = self.request.refresh_token.family.id
        return family_id

    def _session_id(self, client: ClientRecord) -> str | None:
        """The one asked for, else that of the sign-in; both only if the client may say so."""
        granted: str | None = self.request.refresh_token.family.session_id
        return super()._session_id(client) or (granted if client.may_set_session else None)


def _invalid_grant(reason: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_GRANT, "The refresh token cannot be used.", reason=reason)
