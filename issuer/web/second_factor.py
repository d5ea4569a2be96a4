"""`/sign-in/second-factor`: a code of an app, a recovery code or a passkey."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.responses import Response

from issuer.errors import InvalidCredentials, InvalidField, TooManyRequests
from issuer.sign_in.second_factor import UsedCode
from issuer.sign_in.session import SignInSession
from issuer.web.navigation import Navigation
from issuer.web.qr import qr_path
from issuer.web.site import PageEndpoint, Site
from issuer.web.views import AuthenticatorPage, RecoveryCodesPage, SecondFactorPage
from issuer.web.visit import Visit

_WRONG = "This code is not valid now."
_METHODS = ("otp", "mfa")  # RFC 8176


class DueEndpoint(PageEndpoint):
    """A page for somebody whose password was right, and who must still prove more."""

    def __init__(self, site: Site, navigation: Navigation) -> None:
        super().__init__(site)
        self._navigation = navigation

    def due(self, visit: Visit) -> SignInSession | None:
        cookie = self.site.session_cookie(visit)
        return self.parts.people.sessions.find_second_factor_due(cookie) if cookie else None

    def to_sign_in(self, visit: Visit) -> Response:
        return self.site.to("/sign-in", request=visit.request_id, next=visit.next)


class SecondFactorEndpoint(DueEndpoint):
    """Guesses are limited by the policy for passwords; every wrong code looks the same."""

    PATH = "/sign-in/second-factor"

    def show(self, visit: Visit) -> Response:
        due = self.due(visit)
        if due is None:
            return self.to_sign_in(visit)
        return self.site.pages.answer(self._page(visit, due))

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        due = await self.site.queries.run(self.due, visit)
        if due is None:
            return self.to_sign_in(visit)
        check_code = self.parts.factors.second_factor.check_code

        def check(may_wait: bool) -> UsedCode:
            code = form.get("code", "")
            return check_code(due.user_id, code, visit.actor, may_wait=may_wait)

        try:
            used = await self.site.checks.checked(visit.request, check)
            return await self.site.queries.run(self._complete, visit, due, used)
        except InvalidCredentials:
            return await self.site.queries.run(self._refuse, visit, due, _WRONG, 400)
        except TooManyRequests as error:
            sentence = f"Too many wrong codes. Try again in {error.retry_after} seconds."
            response = await self.site.queries.run(self._refuse, visit, due, sentence, 429)
            response.headers["Retry-After"] = str(error.retry_after)
            return response

    def _complete(self, visit: Visit, due: SignInSession, used: UsedCode) -> Response:
        sessions = self.parts.people.sessions
        session, cookie = sessions.complete(due, used.methods, visit.actor)
        return self.site.signed_in(self._navigation.after_sign_in(visit, session), cookie)

    def _refuse(self, visit: Visit, due: SignInSession, error: str, status: int) -> Response:
        return self.site.pages.answer(replace(self._page(visit, due), error=error), status)

    def _page(self, visit: Visit, due: SignInSession) -> SecondFactorPage:
        with self.parts.administration.reading() as work:
            kinds = {each.kind for each in work.factors.of_user(due.user_id)}
            codes_left = work.factors.recovery_codes_left(due.user_id)
        can_use_passkey = self.parts.factors.passkeys.why_not_offered is None
        return SecondFactorPage(
            form=self.form(visit),
            takes_app="totp" in kinds,
            takes_code="totp" in kinds or codes_left > 0,
            offers_passkey="passkey" in kinds and can_use_passkey,
        )


class FirstFactorEndpoint(DueEndpoint):
    """Where a second factor is required of somebody who has none: an app is added first."""

    PATH = "/sign-in/authenticator"

    def show(self, visit: Visit) -> Response:
        return self._answer(visit)

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        due = self.due(visit)
        if due is None:
            return self.to_sign_in(visit)
        actor = visit.actor.known_as(due.user_id)
        try:
            with self.parts.administration.changing(actor) as work:
                codes = work.factors.confirm_totp(due.user_id, form.get("code", ""))
        except InvalidField:
            return self._answer(visit, _WRONG, 400)
        sessions = self.parts.people.sessions
        _, cookie = sessions.complete(due, _METHODS, visit.actor)
        goes_on = self.to_sign_in(visit).headers["location"]
        page = RecoveryCodesPage(codes=tuple(codes), next_url=goes_on)
        return self.site.signed_in(self.site.pages.answer(page), cookie)

    def _answer(self, visit: Visit, error: str = "", status: int = 200) -> Response:
        due = self.due(visit)
        if due is None:
            return self.to_sign_in(visit)
        with self.parts.administration.reading() as work:
            setup = work.factors.pending_totp(due.user_id)
        if setup is None:
            return self.to_sign_in(visit)
        path, size = qr_path(setup.uri)
        page = AuthenticatorPage(
            form=self.form(visit),
            action=self.PATH,
            secret=setup.secret,
            uri=setup.uri,
            qr_path=path,
            qr_size=size,
            is_required=True,
            error=error,
        )
        return self.site.pages.answer(page, status)
