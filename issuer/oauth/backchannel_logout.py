"""The endpoint for logout tokens of trusted issuers (OpenID Back-Channel Logout 1.0 §2.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.directory import Directory
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.fields.networks import network_of
from issuer.http.requests import InvalidForm, caller, parameters, receive_body
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.messages import OAuthResponse, invalid_request, quote
from issuer.rate_limits.password_pool import PasswordPool
from issuer.sign_in.session_revoker import SignedOut

if TYPE_CHECKING:
    from issuer.sign_in.provider_sign_in import ProviderLogout

BACKCHANNEL_LOGOUT_PATH = "/oauth2/backchannel-logout"
_REFUSED = "backchannel_logout.refused"
_MAX_BYTES = 20 * 1024  # a token has at most 16 KB


@dataclass(eq=False, repr=False)
class BackchannelLogoutEndpoint:
    """Ends the sessions that began there, with their tokens. The token is the only credential.

    200 also if there is nothing to end; 400 for a token that does not count (§2.8).
    """

    _parts: EndpointParts
    _directory: Directory
    _administration: Administration
    _logout: Callable[[], "ProviderLogout"]
    _passwords: PasswordPool

    async def __call__(self, http_request: Request) -> OAuthResponse:
        return await self._parts.respond(http_request, "backchannel_logout_refused", self._answer)

    async def _answer(self, http_request: Request) -> OAuthResponse:
        actor = caller(http_request)
        try:
            form = parameters(await receive_body(http_request, _MAX_BYTES))
            end = partial(self._accept, form.get("logout_token", ""), actor)
            network = network_of(actor.address)
            problem = await self._passwords.run_limited(network, end, is_wrong=bool)
        except InvalidForm as error:
            refusal = invalid_request(str(error), error.status)
            return await self._parts.refuse(_REFUSED, refusal, actor)
        except TooManyRequests as error:
            return await self._parts.refuse(_REFUSED, error, actor)
        if problem is not None:
            refusal = invalid_request(quote(problem.reason))
            return await self._parts.refuse(_REFUSED, refusal, actor)
        return OAuthResponse(200, {})

    async def _accept(self, text: str, actor: Actor) -> InvalidCredentials | None:
        """None, or why the token does not count."""
        try:
            issuers = await self._parts.queries.run(self._directory.issuers_of_people)
            signed_out = await self._logout().accept(text, issuers)
            await self._parts.queries.run(self._end, signed_out, actor)
        except InvalidCredentials as error:
            return error
        return None

    def _end(self, signed_out: SignedOut, actor: Actor) -> None:
        with self._administration.changing(actor, held=()) as work:
            work.sessions.end_at_provider(signed_out)
