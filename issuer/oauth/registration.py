"""The client registration endpoint (RFC 7591)."""

from dataclasses import dataclass, field

from starlette.requests import Request

from issuer.audit import Actor
from issuer.clients.client import BACKCHANNEL_LOGOUT, REQUIREMENTS, Client, NewClient
from issuer.clients.client_metadata import parsed, read_client_metadata
from issuer.composition import Administration
from issuer.dpop import DPoPError, SentProof
from issuer.errors import InvalidCredentials, InvalidField, TooManyRequests
from issuer.fields.networks import network_of
from issuer.http.requests import JSON, InvalidForm, access_token, caller, receive_body
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.messages import BearerError, OAuthError, OAuthResponse, ProofRefused, quote
from issuer.rate_limits.request_limits import PublicLimit
from issuer.scopes import ISSUER_REGISTER, covers
from issuer.telemetry.metrics import Metrics
from issuer.tokens.reading import VerifiedToken
from issuer.vocabulary import ErrorCode

REGISTRATION_PATH = "/oauth2/register"
_MAX_DESCRIPTION = 500


@dataclass(eq=False, repr=False)
class RegistrationEndpoint:
    """Anybody may register, or callers with an initial access token (§3)."""

    _parts: EndpointParts
    _administration: Administration
    _metrics: Metrics
    _limit: PublicLimit
    needs_token: bool = field(kw_only=True)

    async def __call__(self, http_request: Request) -> OAuthResponse:
        answer = await self._parts.respond(http_request, "registration_refused", self._answer)
        if answer.error is None:
            self._metrics.client_registered()
        else:
            self._metrics.registration_refused(answer.error.label)
        return answer

    async def _answer(self, http_request: Request) -> OAuthResponse:
        actor = caller(http_request)
        try:
            if self.needs_token:
                actor = await self._admit(http_request, actor)
            await self._limit.count(network_of(actor.address))
            body = await receive_body(http_request, media_type=JSON)
            client = await self._parts.queries.run(self._register, body, actor)
        except InvalidForm as error:
            refusal: OAuthError | TooManyRequests
            refusal = OAuthError(ErrorCode.INVALID_CLIENT_METADATA, str(error), status=error.status)
        except (OAuthError, TooManyRequests) as error:
            refusal = error
        else:
            return OAuthResponse(201, answer_of(client))
        return await self._parts.refuse("registration.refused", refusal, actor)

    async def _admit(self, http_request: Request, actor: Actor) -> Actor:
        """Who the initial access token was issued to; it allows nothing else."""
        proofs, scope = self._administration.proofs, http_request.scope
        scheme, text = access_token(scope["headers"])
        token = await self._parts.queries.run(self._registering, text)
        try:
            proof = proofs.check_token(scheme, text, token.jkt, SentProof.of(scope))
            if proof is not None:
                await proofs.use(proof)
        except DPoPError as error:
            raise ProofRefused(error, at_resource=True) from None
        return actor.known_as(token.subject)

    def _registering(self, text: str) -> VerifiedToken:
        """The active token, with the scope to register clients."""
        try:
            token = self._administration.read_own_token(text)
            held = self._administration.load_current_scopes(token)
        except InvalidCredentials:
            raise BearerError("invalid_token", "Send an active initial access token.") from None
        if not covers(held, ISSUER_REGISTER):
            raise BearerError(
                "insufficient_scope", "The token may not register clients.", 403, ISSUER_REGISTER
            )
        return token

    def _register(self, body: bytes, actor: Actor) -> Client:
        try:
            fields = read_client_metadata(parsed(body))
            with self._administration.changing(actor, held=()) as work:
                return work.registrations.register(fields)
        except InvalidField as error:  # §3.2.2
            is_uri = error.field.startswith("redirect_uris")
            code = ErrorCode.INVALID_REDIRECT_URI if is_uri else ErrorCode.INVALID_CLIENT_METADATA
            raise OAuthError(code, quote(str(error), _MAX_DESCRIPTION)) from None


def answer_of(client: Client) -> dict[str, object]:
    """The client information response (§3.2.1): as registered, and no member null."""
    members: dict[str, object] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "token_endpoint_auth_method": client.token_endpoint_auth_method.value,
        "redirect_uris": client.redirect_uris,
        "grant_types": [grant.value for grant in client.grant_types],
        "response_types": ["code"],
    }
    keys = {"jwks": client.jwks, "jwks_uri": client.jwks_uri}
    members |= {name: value for name, value in keys.items() if value is not None}
    if client.name:
        members["client_name"] = client.name
    if client.post_logout_redirect_uris:
        members["post_logout_redirect_uris"] = client.post_logout_redirect_uris
    members |= {name: True for name in REQUIREMENTS if getattr(client, name)}
    if client.backchannel_logout_uri is not None:
        members |= {name: getattr(client, name) for name in BACKCHANNEL_LOGOUT}
    if isinstance(client, NewClient):
        members |= {"client_secret": client.client_secret, "client_secret_expires_at": 0}
    return members
