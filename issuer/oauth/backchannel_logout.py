"""The endpoint for logout tokens of trusted issuers (OpenID Back-Channel Logout 1.0 §2.5)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.requests import Request

from issuer.audit import Actor
from issuer.composition import Administration
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.fields.networks import network_of
from issuer.http.requests import InvalidForm, caller, parameters, receive_body
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.messages import OAuthResponse, invalid_request, quoted
from issuer.rate_limits.password_pool import PasswordPool

if TYPE_CHECKING:
    from issuer.sign_in.provider_logout import ProviderLogout, SignedOut

BACKCHANNEL_LOGOUT_PATH = "/oauth2/backchannel-logout"
_REFUSED = "backchannel_logout.refused"
_MAX_BYTES = 20 * 1024  # a token has at most 16 KB


@dataclass(eq=False, repr=False)
class BackchannelLogoutEndpoint:
    """Ends the sessions that began there, with their tokens. The token is the only credential.

    200 also if there is nothing to end; 400 for a token that does not count (§2.8).
    """

    _parts: EndpointParts
    _administration: Administration
    _logout: Callable[[], "ProviderLogout"]
    _passwords: PasswordPool

    async def __call__(self, http_request: Request) -> OAuthResponse:
        return await self._parts.answered(http_request, "backchannel_logout_refused", self._answer)

    async def _answer(self, http_request: Request) -> OAuthResponse:
        actor = caller(http_request)
        try:
            form = parameters(await receive_body(http_request, _MAX_BYTES))
            check = partial(self._checked, form.get("logout_token", ""))
            network = network_of(actor.address)
            checked = await self._passwords.limited(network, check, is_wrong=_is_wrong)
        except InvalidForm as error:
            refusal = invalid_request(str(error), error.status)
            return await self._parts.refused(_REFUSED, refusal, actor)
        except TooManyRequests as error:
            return await self._parts.refused(_REFUSED, error, actor)
        if isinstance(checked, InvalidCredentials):
            refusal = invalid_request(quoted(checked.reason))
            return await self._parts.refused(_REFUSED, refusal, actor)
        await self._parts.queries.run(self._end, checked, actor)
        return OAuthResponse(200, {})

    async def _checked(self, text: str) -> "SignedOut | InvalidCredentials":
        try:
            find = self._parts.tokens.directory.issuers_of_people
            issuers = await self._parts.queries.run(find)
            return await self._logout().accepted(text, filter(_is_for_people, issuers))
        except InvalidCredentials as error:
            return error

    def _end(self, signed_out: "SignedOut", actor: Actor) -> None:
        with self._administration.changing(actor, held=()) as work:
            work.sessions.end_at_provider(
                signed_out.issuer_id, signed_out.subject, signed_out.provider_session
            )


def _is_for_people(issuer: TrustedIssuerRecord) -> bool:
    return issuer.is_for_people


def _is_wrong(checked: object) -> bool:
    return isinstance(checked, InvalidCredentials)
