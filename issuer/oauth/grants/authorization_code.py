"""The authorization code grant (RFC 6749 §4.1), with PKCE (RFC 7636) and OpenID Connect."""

import hmac
import re
from dataclasses import replace

from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.errors import OAuthError
from issuer.oauth.grants.grant import Grant, Store
from issuer.oauth.request import required
from issuer.refresh_tokens import TokenToStore
from issuer.scopes import OPENID
from issuer.sign_in.codes_store import AuthorizationCode
from issuer.tokens import Authentication, Authorization, RevokedUntil
from issuer.vocabulary import ErrorCode, GrantType

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


class PresentedCode:
    """A code in the form that Authlib's grant expects."""

    def __init__(self, code: AuthorizationCode) -> None:
        self.code = code

    def get_redirect_uri(self) -> str:
        return self.code.redirect_uri

    def get_scope(self) -> str:
        return " ".join(sorted(self.code.scopes))


class CodeGrant(Grant, AuthorizationCodeGrant):  # type: ignore[misc]
    """A client for a user who signed in and allowed it. Queries: runs in the pool for queries."""

    GRANT_TYPE = GrantType.AUTHORIZATION_CODE
    queries = True

    def query_authorization_code(self, code: str, client: object) -> PresentedCode:
        """Authlib's hook. `invalid_grant` for every code that the client cannot use."""
        try:
            found: AuthorizationCode = self.server.people.codes.find(code)
        except InvalidCredentials as error:
            raise _invalid_grant(error.reason, error.subject) from None
        if found.client_id != self.authenticated.client.client_id:
            raise _invalid_grant("code of another client", found.user_id)
        return PresentedCode(found)

    def validate_token_request(self) -> None:
        """Authlib's hook, with PKCE.

        A code that is used again revokes what it gave, but only by a request that is valid
        otherwise (draft-ietf-oauth-v2-1 §7.5.3): a code that leaked ends nobody's tokens.
        """
        super().validate_token_request()
        self._require_verifier()
        if self._code.used_at is not None:
            self.server.people.codes.revoke(self._code, self.authenticated.actor)
            raise _invalid_grant("code used before", self._code.user_id)

    def authenticate_user(self, presented: PresentedCode) -> UserRecord:
        """Authlib's hook. The user as the database has it now."""
        user_id = presented.code.user_id
        user: UserRecord | None = self.server.tokens.directory.load_user(user_id)
        if user is None or user.disabled:
            raise _invalid_grant("the user is deleted or disabled", user_id)
        return user

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        held = Authorization.of_user(self.request.user, client, audience)
        return replace(held.within(self._code.scopes), openid_scopes=self._code.openid_scopes)

    def authentication(self) -> Authentication | None:
        code = self._code
        if OPENID not in code.openid_scopes:
            return None
        return Authentication(code.authenticated_at, code.methods, code.session_id, code.nonce)

    def store_for(self, authorization: Authorization) -> Store:
        """Consumes the code, and stores the first token of a family if there is one."""

        def store(issue: TokenToStore) -> str | RevokedUntil | None:
            redeem = self.server.people.codes.redeem
            try:
                stored: str | RevokedUntil | None = redeem(self._code, authorization, issue)
            except InvalidCredentials as error:
                raise _invalid_grant(error.reason, error.subject) from None
            return stored

        return store

    def delete_authorization_code(self, presented: PresentedCode) -> None:
        """Authlib's hook. The code is consumed in the transaction that stores the token."""

    @property
    def _code(self) -> AuthorizationCode:
        presented: PresentedCode = self.request.authorization_code
        return presented.code

    def _require_verifier(self) -> None:
        """Not by Authlib's `CodeChallenge`, which allows requests and codes without a challenge."""
        verifier = required(self.authenticated, "code_verifier")
        if not _VERIFIER.fullmatch(verifier):
            raise OAuthError(
                ErrorCode.INVALID_REQUEST, "code_verifier has 43 to 128 unreserved characters."
            )
        challenge: str = create_s256_code_challenge(verifier)
        if not hmac.compare_digest(challenge, self._code.code_challenge):
            raise _invalid_grant("wrong code_verifier", self._code.user_id)

    def _audience(self, client: ClientRecord) -> AudienceRecord:
        return self._granted_audience(client, self._code.audience_id, self._code.scopes)

    def _requested_scopes(self) -> list[str] | None:
        """Ignored: the user has allowed a scope already (RFC 6749 §4.1.3)."""
        return None

    def _sid(self, client: ClientRecord) -> str | None:
        """A new refresh family, for a client that may use refresh tokens; else the session."""
        if GrantType.REFRESH_TOKEN not in client.grant_types:
            return self._code.session_id
        family_id: str = self.server.tokens.refresh_tokens.new_family_id()
        return family_id


def _invalid_grant(reason: str, user_id: str | None) -> OAuthError:
    return OAuthError(
        ErrorCode.INVALID_GRANT,
        "The authorization code cannot be used.",
        reason=reason,
        target=user_id,
    )
