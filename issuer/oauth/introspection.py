"""The introspection endpoint (RFC 7662)."""

from collections.abc import Mapping
from dataclasses import dataclass

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from issuer.directory import ClientRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.client_authentication import WITH_CREDENTIALS
from issuer.oauth.request import required
from issuer.refresh_tokens import PREFIX, Family
from issuer.scopes import ISSUER_INTROSPECT, covers
from issuer.tokens import Authorization, still_held
from issuer.vocabulary import GrantType

_COPIED_CLAIMS = (
    "sub",
    "aud",
    "iss",
    "jti",
    "client_id",
    "exp",
    "iat",
    "roles",
    "sid",
    "session_id",
)


@dataclass(frozen=True, slots=True)
class ActiveToken:
    """A token that is active, and the members of the response (§2.2)."""

    client_id: str
    members: Mapping[str, object]

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    """A client may introspect its own tokens, or with `issuer:introspect` any token.

    For every other token the response is only `"active": false`. Nothing is changed.
    """

    PATH = "/oauth2/introspect"
    METHODS = WITH_CREDENTIALS  # §2.1: so that nobody can look for tokens that are active
    IS_FOR_SCRIPTS = False  # they have no credentials

    def check_params(self, request: OAuth2Request, client: object) -> None:
        """Authlib's hook. The hint is ignored (§2.1): the two kinds of tokens look different."""
        required(request.authenticated, "token")

    def check_permission(self, token: ActiveToken, client: object, request: OAuth2Request) -> bool:
        """Authlib's hook."""
        caller: ClientRecord = request.client.record
        issuer = caller.audiences.get(self.server.issuer)
        may_introspect_any = issuer is not None and covers(
            caller.rights.at(issuer), ISSUER_INTROSPECT
        )
        return token.client_id == caller.client_id or may_introspect_any

    def query_token(self, token_string: str, token_type_hint: str | None) -> ActiveToken | None:
        """Authlib's hook. None for a token that is not active, whatever the reason."""
        if token_string.startswith(PREFIX):
            return self._refresh_token(token_string)
        try:
            return self._access_token(token_string)
        except InvalidCredentials:
            return None

    def introspect_token(self, token: ActiveToken) -> dict[str, object]:
        """Authlib's hook."""
        return {"active": True, **token.members}

    def _access_token(self, text: str) -> ActiveToken | None:
        tokens = self.server.tokens
        token = tokens.any_reader.read(text)
        if tokens.is_revoked(token):
            return None
        members = {
            "scope": _joined(token.openid_scopes, still_held(tokens.directory, token)),
            "token_type": "Bearer",
            **{name: token.claims[name] for name in _COPIED_CLAIMS if name in token.claims},
        }
        if token.subject != token.client_id:
            members |= self._username(token.subject)
        return ActiveToken(token.client_id, members)

    def _refresh_token(self, text: str) -> ActiveToken | None:
        tokens = self.server.tokens
        if (family := tokens.refresh_tokens.find(text)) is None:
            return None
        user = tokens.directory.load_user(family.user_id)
        client = tokens.directory.load_client(family.client_id)
        audience = client.audiences.get(family.audience_id) if client else None
        if user is None or client is None or user.disabled or client.disabled:
            return None
        if family.is_of_password_grant and user.has_second_factor:
            return None
        if (audience is None and family.scopes) or not self._may_refresh(client, family):
            return None
        held: frozenset[str] = frozenset()
        if audience is not None:
            held = Authorization.of_user(user, client, audience).within(family.scopes).scopes
        members = {
            "scope": _joined(family.openid_scopes, held),
            "token_type": "refresh_token",
            "sub": user.id,
            "username": user.username,
            "aud": family.audience_id,
            "iss": self.server.issuer,
            "client_id": client.client_id,
            "exp": int(tokens.refresh_tokens.expires_at(family).timestamp()),
            "iat": int(family.rotated_at.timestamp()),
        }
        return ActiveToken(client.client_id, members)

    def _may_refresh(self, client: ClientRecord, family: Family) -> bool:
        """Whether the grants are enabled and the client may use them; else no token is active."""
        begun: bool = self.server.offers_what_began(family)
        return begun and GrantType.REFRESH_TOKEN in client.grant_types

    def _username(self, user_id: str) -> dict[str, object]:
        user = self.server.tokens.directory.load_user(user_id)
        return {"username": user.username} if user else {}


def _joined(openid_scopes: frozenset[str], scopes: frozenset[str]) -> str:
    return " ".join([*sorted(openid_scopes), *sorted(scopes)])
