"""`/device`: a person enters the code that a device shows (RFC 8628 §3.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.responses import Response

from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.http.cookies import AUTHORIZATION_REQUEST
from issuer.languages import N_, _
from issuer.sign_in.authorization_request import VALID_FOR, AuthorizationRequest
from issuer.sign_in.device_codes import PAGE
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.metrics import DEVICE
from issuer.web.account import OwnPageEndpoint
from issuer.web.views import FormPage
from issuer.web.visit import Visit
from issuer.web.words import too_many_codes

_USER_CODE, _ANSWER, _ERROR = "user_code", "answer", "error"
_LONGEST = 20
_WRONG = N_("This code is not valid: it was mistyped, used already, or is older than ten minutes.")
_NOT_ALLOWED = {
    "access_denied": N_("Nothing was allowed. You can close this page."),
    "invalid_target": N_("The application may not have access to that AgentOS any more."),
}
_OTHERWISE = N_("Start again on the device.")


@dataclass(frozen=True, kw_only=True)
class DevicePage(FormPage):
    """The form, or what came of it: the device was `allowed`, or `refused` for a reason."""

    TEMPLATE = "device.html"
    user_code: str = field(default="", repr=False)
    allowed: bool = False
    refused: str = ""

    @property
    def heading(self) -> str:
        if self.allowed or self.refused:
            return _("Device signed in") if self.allowed else _("Device not signed in")
        return _("Sign in on a device")


class DeviceEndpoint(OwnPageEndpoint):
    """Wrong codes count for the address. What the device may do is asked at `/consent`.

    What came of it can be read in any session.
    """

    PATH = PAGE
    FRESH = KEEPS_FORMS = True
    PARAMETERS = (_USER_CODE, _ANSWER, _ERROR)

    def is_fresh(self, session: SignInSession) -> bool:
        """Enough for an AgentOS: `/consent` asks for more where the issuer itself is meant."""
        return self.site.is_fresh(session, self.parts.settings.fresh_sign_in)

    def show(self, visit: Visit) -> Response:
        session = self.site.session(visit)
        if session is not None and not visit.query.keys().isdisjoint({_ANSWER, _ERROR}):
            return self.show_to(session, visit)
        return super().show(visit)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        error = visit.query.get(_ERROR)
        refused = "" if error is None else _(_NOT_ALLOWED.get(error, _OTHERWISE))
        page = replace(
            self._page(session, visit, visit.query),
            allowed=visit.query.get(_ANSWER) == "allowed",
            refused=refused,
        )
        return self.site.pages.answer(page)

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.site.to(self.PATH, user_code=form.get(_USER_CODE, "")[:_LONGEST])

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        session = await self.site.queries.run(self.enough, visit)
        if session is None:
            return await self.site.queries.run(self.go_on_after_sign_in, visit, form)
        find = self.parts.device_codes.authorization_request

        def check(may_wait: bool) -> AuthorizationRequest:
            return find(form.get(_USER_CODE, "")[:_LONGEST], session.user_id)

        refuse = partial(self._refuse, session, visit, form)
        try:
            request = await self.site.checks.run(visit.request, DEVICE, check)
        except InvalidCredentials:
            return await self.site.queries.run(refuse, _(_WRONG), 400)
        except TooManyRequests as error:
            sentence = too_many_codes(error)
            return await self.too_many(error, partial(refuse, sentence))
        return await self.site.queries.run(self._to_consent, visit, request)

    def _refuse(
        self, session: SignInSession, visit: Visit, form: Mapping[str, str], error: str, status: int
    ) -> Response:
        page = replace(self._page(session, visit, form), error=error)
        return self.site.pages.answer(page, status)

    def _to_consent(self, visit: Visit, asked: AuthorizationRequest) -> Response:
        parts, cookie = self.parts, AUTHORIZATION_REQUEST + asked.id
        name, text = parts.requests.keep(asked, parts.requests.seal(asked))
        response = self.site.to("/consent", request=name)
        self.site.cookies.keep_request(
            visit.request, response, cookie, text, parts.request_began_at, VALID_FOR
        )
        return response

    def _page(self, session: SignInSession, visit: Visit, given: Mapping[str, str]) -> DevicePage:
        user = self.parts.directory.load_user(session.user_id)
        return DevicePage(
            user=user.username if user else "",
            form=self.form(visit),
            user_code=given.get(_USER_CODE, "")[:_LONGEST],
        )
