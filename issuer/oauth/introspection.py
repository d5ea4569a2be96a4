"""The introspection endpoint (RFC 7662)."""

from dataclasses import dataclass, field, replace

from issuer.directory import ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.client_authentication import WITH_CREDENTIALS
from issuer.oauth.client_endpoint import ClientEndpoint
from issuer.oauth.messages import AuthenticatedRequest, OAuthResponse, require
from issuer.refresh_tokens import PREFIX
from issuer.refresh_tokens.family import Family
from issuer.scopes import ISSUER_INTROSPECT, covers
from issuer.tokens.authorization import Authorization
from issuer.tokens.reading import VerifiedToken, current_scopes, holders_of
from issuer.vocabulary import DPOP, GrantType

_COPIED_CLAIMS = "sub aud iss jti client_id exp iat roles sid session_id act cnf".split()  # noqa: SIM905


@dataclass(eq=False, repr=False)
class Introspection(ClientEndpoint):
    """A client may introspect its own tokens, or with `issuer:introspect` any token.

    For every other token the response is only `"active": false`. Nothing is changed.
    """

    name = "introspection"
    path = "/oauth2/introspect"
    methods = WITH_CREDENTIALS  # §2.1: so that nobody can look for tokens that are active
    is_for_scripts = False  # they have no credentials

    _issuer: str
    is_password_enough: bool = field(kw_only=True)

    async def answer_from_memory(self, request: AuthenticatedRequest) -> OAuthResponse | None:
        """About an access token, unless its client or user must be looked up."""
        text, directory = require(request, "token"), self._tokens.directory
        if text.startswith(PREFIX):
            return None
        await self._tokens.changes.read()
        try:
            token = self._tokens.any_reader.read(text)
            client = directory.remembered_client(token.client_id)
            if client is None or token.is_of_user:
                return None
            members = _access_token(token, client, None)
        except InvalidCredentials:
            members = None
        return self._respond(request, members)

    def answer(self, request: AuthenticatedRequest) -> OAuthResponse:
        """The hint is ignored (§2.1): the two kinds of tokens look different."""
        return self._respond(request, self._active(require(request, "token")))

    def _respond(
        self, request: AuthenticatedRequest, members: dict[str, object] | None
    ) -> OAuthResponse:
        if members is None or not self._may_introspect(request.client, members["client_id"]):
            return OAuthResponse(200, {"active": False})
        return OAuthResponse(200, {"active": True, **members})

    def _may_introspect(self, caller: ClientRecord, client_id: object) -> bool:
        if client_id == caller.client_id:
            return True
        issuer = caller.audiences.get(self._issuer)
        return issuer is not None and covers(caller.rights.at(issuer), ISSUER_INTROSPECT)

    def _active(self, text: str) -> dict[str, object] | None:
        """The members of an active token (§2.2); None for any other, whatever the reason."""
        if text.startswith(PREFIX):
            return self._refresh_token(text)
        tokens = self._tokens
        try:
            token = tokens.any_reader.read(text)
            if tokens.is_revoked(token):
                return None
            return _access_token(token, *holders_of(tokens.directory, token))
        except InvalidCredentials:
            return None

    def _refresh_token(self, text: str) -> dict[str, object] | None:
        tokens = self._tokens
        if (family := tokens.refresh_tokens.find(text)) is None:
            return None
        user = tokens.directory.load_user(family.user_id)
        client = tokens.directory.load_client(family.client_id)
        if user is None or client is None or not self._may_refresh(family, client, user):
            return None
        if (audience := client.audiences.get(family.audience_id)) is None and family.scopes:
            return None
        held: frozenset[str] = frozenset()
        if audience is not None:
            held = Authorization.of_user(user, client, audience).within(family.scopes).scopes
        return {
            "scope": _scope_text(family.openid_scopes, held),
            "token_type": "refresh_token",
            "sub": user.id,
            "username": user.username,
            "aud": family.audience_id,
            "iss": self._issuer,
            "client_id": client.client_id,
            "exp": int(tokens.refresh_tokens.expires_at(family).timestamp()),
            "iat": int(family.rotated_at.timestamp()),
            **({"cnf": {"jkt": family.jkt}} if family.jkt else {}),
        }

    def _may_refresh(self, family: Family, client: ClientRecord, user: UserRecord) -> bool:
        if user.disabled or client.disabled or GrantType.REFRESH_TOKEN not in client.grant_types:
            return False
        if not family.is_of_password_grant:
            return True
        elsewhere = self._tokens.directory.issuers_of_people()
        is_enough = self.is_password_enough and not any(each.is_only_way for each in elsewhere)
        return is_enough and not user.has_second_factor


def _access_token(
    token: VerifiedToken, client: ClientRecord | None, user: UserRecord | None
) -> dict[str, object]:
    """`InvalidCredentials` if the token is not active for its client and user."""
    held = current_scopes(client, user, token)
    members = {name: token.claims[name] for name in _COPIED_CLAIMS if name in token.claims}
    if "roles" in members:
        members["roles"] = _roles(token, client, user, held)
    return {
        "scope": _scope_text(token.openid_scopes, held),
        "token_type": "Bearer" if token.jkt is None else DPOP,
        **members,
        **({"username": user.username} if user else {}),
    }


def _roles(
    token: VerifiedToken,
    client: ClientRecord | None,
    user: UserRecord | None,
    scopes: frozenset[str],
) -> list[str]:
    """The roles that the token names and that one with these `scopes` would name now."""
    audience = client.audiences.get(token.audience) if client else None
    if client is None or audience is None:
        return []
    of_client = Authorization.of_client(client, audience)
    now = Authorization.of_user(user, client, audience) if user else of_client
    named = replace(now, scopes=scopes).role_names()
    return [role for role in token.claims["roles"] if role in named]


def _scope_text(openid_scopes: frozenset[str], scopes: frozenset[str]) -> str:
    return " ".join([*sorted(openid_scopes), *sorted(scopes)])
