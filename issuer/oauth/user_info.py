"""The user info endpoint (OpenID Connect Core §5.3), protected as RFC 6750 and RFC 9449 say."""

from starlette.requests import Request

from issuer.background.workers import WorkerPool
from issuer.composition.tokens import TokenParts
from issuer.directory import UserRecord
from issuer.dpop import DPoPError, Proof, SentProof
from issuer.errors import InvalidCredentials, TooManyRequests, Unavailable
from issuer.http import requests
from issuer.oauth.messages import NO_STORE, BearerError, OAuthError, OAuthResponse, ProofRefused
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
            scheme, text = await _access_token(request)
            sent = SentProof.of(request.scope)
            claims, proof = await self._queries.run(self._claims, scheme, text, sent)
            if proof is not None:
                await self._tokens.proofs.use(proof)
        except DPoPError as error:
            return OAuthResponse.refusing(ProofRefused(error, at_resource=True))
        except (OAuthError, TooManyRequests, Unavailable) as error:
            return OAuthResponse.refusing(error)
        return OAuthResponse(200, claims, NO_STORE)

    def _claims(
        self, scheme: str, text: str, sent: SentProof
    ) -> tuple[dict[str, object], Proof | None]:
        """The claims, and the proof that must be used before they are sent."""
        try:
            token, user = self._active(text)
        except InvalidCredentials:
            raise BearerError(
                "invalid_token", "The access token is not active, or not of this issuer."
            ) from None
        proof = self._tokens.proofs.check_token(scheme, text, token.jkt, sent)
        if user is None or OPENID not in token.openid_scopes:
            raise BearerError("insufficient_scope", "The token has no openid.", 403, OPENID)
        return _claims_of(user, token), proof

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


async def _access_token(request: Request) -> tuple[str, str]:
    """Scheme and token of the header or, in a POST, of the form (RFC 6750 §2.1 and §2.2)."""
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
        return "bearer", in_form
    scheme, token = requests.access_token(request.scope["headers"])
    if not scheme:
        raise BearerError("", "There is no access token.")
    return scheme, token
