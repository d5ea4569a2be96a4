"""`/device`: a person enters the code that a device shows (RFC 8628 §3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.responses import Response

from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.http.cookies import AUTHORIZATION_REQUEST
from issuer.sign_in.authorization_request import VALID_FOR, AuthorizationRequest
from issuer.sign_in.device_codes import PAGE
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.metrics import DEVICE
from issuer.web.account import OwnPageEndpoint
from issuer.web.views import Form, WebPage
from issuer.web.visit import Visit

_USER_CODE, _ANSWER, _ERROR = "user_code", "answer", "error"
_LONGEST = 20
_WRONG = "This code is not valid: it was mistyped, used already, or is older than ten minutes."
_NOT_ALLOWED = {
    "access_denied": "Nothing was allowed. You can close this page.",
    "invalid_target": "The application may not have access to that AgentOS any more.",
}
_OTHERWISE = "Start again on the device."


@dataclass(frozen=True, kw_only=True)
class DevicePage(WebPage):
    """The form, or what came of it: the device was `allowed`, or `refused` for a reason."""

    TEMPLATE = "device.html"
    form: Form
    user_code: str = field(default="", repr=False)
    error: str = ""
    allowed: bool = False
    refused: str = ""

    @property
    def title(self) -> str:
        if self.allowed or self.refused:
            return "Device signed in" if self.allowed else "Device not signed in"
        return f"{'Error: ' if self.error else ''}Sign in on a device"


class DeviceEndpoint(OwnPageEndpoint):
    """Wrong codes count for the address. What the device may do is asked at `/consent`."""

    PATH = PAGE
    PARAMETERS = (_USER_CODE, _ANSWER, _ERROR)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        refused = _NOT_ALLOWED.get(visit.query[_ERROR], _OTHERWISE) if _ERROR in visit.query else ""
        page = replace(
            self._page(session, visit, visit.query),
            allowed=visit.query.get(_ANSWER) == "allowed",
            refused=refused,
        )
        return self.site.pages.answer(page)

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.site.to(self.PATH, user_code=form.get(_USER_CODE, "")[:_LONGEST])

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session = await self.site.queries.run(self.site.session, visit)
        if session is None:
            return self.sign_in_first(visit, form)
        find = self.parts.people.device_codes.authorization_request

        def check(may_wait: bool) -> AuthorizationRequest:
            return find(form.get(_USER_CODE, "")[:_LONGEST], session.user_id)

        refuse = partial(self._refuse, session, visit, form)
        try:
            request = await self.site.checks.checked(visit.request, DEVICE, check)
        except InvalidCredentials:
            return await self.site.queries.run(refuse, _WRONG, 400)
        except TooManyRequests as error:
            sentence = f"Too many wrong codes. Try again in {error.retry_after} seconds."
            return await self.too_many(error, partial(refuse, sentence))
        return await self.site.queries.run(self._to_consent, visit, request)

    def _refuse(
        self,
        session: SignInSession,
        visit: Visit,
        form: Mapping[str, str],
        error: str,
        status: int,
    ) -> Response:
        page = replace(self._page(session, visit, form), error=error)
        return self.site.pages.answer(page, status)

    def _to_consent(self, visit: Visit, asked: AuthorizationRequest) -> Response:
        people, cookie = self.parts.people, AUTHORIZATION_REQUEST + asked.id
        name, text = people.requests.keep(asked, people.requests.seal(asked))
        response = self.site.to("/consent", request=name)
        self.site.cookies.keep_request(
            visit.request, response, cookie, text, people.request_began_at, VALID_FOR
        )
        return response

    def _page(self, session: SignInSession, visit: Visit, given: Mapping[str, str]) -> DevicePage:
        user = self.parts.directory.load_user(session.user_id)
        return DevicePage(
            user=user.username if user else "",
            form=self.form(visit),
            user_code=given.get(_USER_CODE, "")[:_LONGEST],
        )
