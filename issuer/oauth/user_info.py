"""The user info endpoint (OpenID Connect Core §5.3), protected as RFC 6750 says."""

from starlette.requests import Request

from issuer.background.workers import WorkerPool
from issuer.composition.tokens import TokenParts
from issuer.directory import UserRecord
from issuer.errors import InvalidCredentials, Unavailable
from issuer.http import requests
from issuer.oauth.messages import NO_STORE, BearerError, OAuthError, OAuthResponse
from issuer.scopes import EMAIL, OPENID, PROFILE
from issuer.telemetry.logs import note_client
from issuer.tokens.reading import VerifiedToken, current_scopes, holders_of

USER_INFO_PATH = "/oauth2/userinfo"


class UserInfoEndpoint:
    """Any active access token of this issuer for a user, whose `scope` has `openid`."""

    def __init__(self, tokens: TokenParts, queries: WorkerPool) -> None:
        self._tokens = tokens
        self._queries = queries

    async def __call__(self, request: Request) -> OAuthResponse:
        try:
            token = await _access_token(request)
            claims = await self._queries.run(self._claims, token)
        except (OAuthError, Unavailable) as error:
            return OAuthResponse.refusing(error)
        return OAuthResponse(200, claims, NO_STORE)

    def _claims(self, text: str) -> dict[str, object]:
        try:
            token, user = self._active(text)
        except InvalidCredentials:
            raise BearerError(
                "invalid_token", "The access token is not active, or not of this issuer."
            ) from None
        if user is None or OPENID not in token.openid_scopes:
            raise BearerError("insufficient_scope", "The token has no openid.", 403, OPENID)
        return _claims_of(user, token)

    def _active(self, text: str) -> tuple[VerifiedToken, UserRecord | None]:
        token = self._tokens.any_reader.read(text)
        note_client(token.client_id)
        if self._tokens.is_revoked(token):
            raise InvalidCredentials("revoked")
        client, user = holders_of(self._tokens.directory, token)
        current_scopes(client, user, token)
        return token, user


def _claims_of(user: UserRecord, token: VerifiedToken) -> dict[str, object]:
    claims: dict[str, object] = {"sub": user.id}
    if PROFILE in token.openid_scopes:
        claims |= {"name": user.name} if user.name else {}
        claims["preferred_username"] = user.username
    if EMAIL in token.openid_scopes and user.email is not None:
        claims["email"] = user.email
        claims |= {"email_verified": True} if user.email_verified else {}
    return claims


async def _access_token(request: Request) -> str:
    """The token of the header or, in a POST, of the form (RFC 6750 §2.1 and §2.2)."""
    headers = requests.values_of(request.scope["headers"], b"authorization")
    in_form = None
    if request.method == "POST" and requests.is_form(request):
        try:
            in_form = requests.parameters(await requests.receive_body(request)).get("access_token")
        except requests.InvalidForm as error:
            raise BearerError("invalid_request", str(error), error.status) from None
    if len(headers) + (in_form is not None) > 1:
        raise BearerError("invalid_request", "Send one access token, in one way.", 400)
    if in_form is not None:
        return in_form
    if (token := requests.bearer_token(request.scope["headers"])) is None:
        raise BearerError("", "There is no access token.")
    return token
