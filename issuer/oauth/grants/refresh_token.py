"""The refresh token grant (RFC 6749 §6), with rotation at every use (RFC 9700 §4.14.2)."""

from dataclasses import replace
from functools import partial

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc6749.grants import RefreshTokenGrant

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.errors import OAuthError
from issuer.oauth.grants.grant import Grant, Store
from issuer.oauth.request import requested_scopes
from issuer.refresh_tokens import RefreshRequest, ValidatedToken
from issuer.tokens import Authorization
from issuer.vocabulary import ErrorCode, GrantType


class PresentedToken(TokenMixin):  # type: ignore[misc]
    """A refresh token in the form that Authlib's grant expects."""

    def __init__(self, presented: ValidatedToken) -> None:
        self.presented = presented
        self.family = presented.family

    def check_client(self, client: ClientMixin) -> bool:
        client_id: str = client.record.client_id
        return self.family.client_id == client_id

    def get_scope(self) -> str:
        return " ".join(sorted(self.family.scopes))


class RefreshToken(Grant, RefreshTokenGrant):  # type: ignore[misc]
    """A client for a user who signed in before. Queries: runs in the pool for queries."""

    GRANT_TYPE = GrantType.REFRESH_TOKEN
    queries = True

    def authenticate_refresh_token(self, refresh_token: str) -> PresentedToken:
        """Authlib's hook. `invalid_grant` for every refresh token that is not valid."""
        request = self.authenticated
        asked = RefreshRequest(requested_scopes(request), request.parameters.get("session_id"))
        try:
            presented = self.server.tokens.refresh_tokens.present(
                refresh_token, request.client.client_id, asked, request.actor
            )
        except InvalidCredentials as error:
            raise _invalid_grant(error.reason, error.subject) from None
        if not self.server.offers_what_began(presented.family):
            raise _invalid_grant("the password grant is off", presented.family.user_id)
        return PresentedToken(presented)

    def _validate_token_scope(self, token: PresentedToken) -> None:
        """Authlib's hook. Not by comparing strings, as Authlib does; `generate_token` narrows."""

    def authenticate_user(self, refresh_token: PresentedToken) -> UserRecord:
        """Authlib's hook. The user as the database has it now."""
        user_id = refresh_token.family.user_id
        user: UserRecord | None = self.server.tokens.directory.load_user(user_id)
        if user is None or user.disabled:
            raise _invalid_grant("the user is deleted or disabled", user_id)
        if refresh_token.family.is_of_password_grant and user.has_second_factor:
            raise _invalid_grant("the user has a second factor since the password grant", user_id)
        self.request.user = user
        return user

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        family = self.request.refresh_token.family
        held = Authorization.of_user(self.request.user, client, audience)
        return replace(held.within(family.scopes), openid_scopes=family.openid_scopes)

    def store_for(self, authorization: Authorization) -> Store:
        """The next token of the family. Of concurrent requests one succeeds."""
        return partial(self.server.tokens.refresh_tokens.use, self.request.refresh_token.presented)

    def revoke_old_credential(self, refresh_token: PresentedToken) -> None:
        """Authlib's hook. Done in the transaction that stores the successor."""

    def _audience(self, client: ClientRecord) -> AudienceRecord:
        """The audience of the sign-in, and no other (RFC 8707 §2.2)."""
        family = self.request.refresh_token.family
        return self._granted_audience(client, family.audience_id, family.scopes)

    def _sid(self, client: ClientRecord) -> str | None:
        family_id: str = self.request.refresh_token.family.id
        return family_id

    def _session_id(self, client: ClientRecord) -> str | None:
        """The requested one, else that of the sign-in; only if the client may set one."""
        granted: str | None = self.request.refresh_token.family.session_id
        return super()._session_id(client) or (granted if client.may_set_session else None)


def _invalid_grant(reason: str, user_id: str | None) -> OAuthError:
    return OAuthError(
        ErrorCode.INVALID_GRANT,
        "The refresh token cannot be used.",
        reason=reason,
        target=user_id,
    )
