"""`/sign-in/second-factor`: a code of an app, a recovery code or a passkey."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.errors import InvalidCredentials, InvalidField, NotFound, TooManyRequests
from issuer.languages import N_, _
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.metrics import CODE
from issuer.web.factors import TOTP_METHODS, authenticator_page, authenticator_page_again
from issuer.web.navigation import FlowEndpoint
from issuer.web.views import AuthenticatorPage, RecoveryCodesPage, SecondFactorPage
from issuer.web.visit import Visit
from issuer.web.words import too_many_codes


class DueEndpoint(FlowEndpoint):
    """A page for somebody whose password was right, and who must still prove more."""

    def due(self, visit: Visit) -> SignInSession | None:
        cookie = self.site.session_cookie(visit)
        return self.parts.sessions.find_second_factor_due(cookie) if cookie else None

    def to_sign_in(self, visit: Visit) -> Response:
        return self.site.to("/sign-in", request=visit.request_id, next=visit.next)


class SecondFactorEndpoint(DueEndpoint):
    """Guesses are limited by the policy for passwords; every wrong code looks the same."""

    PATH = "/sign-in/second-factor"
    METHOD = CODE
    WRONG = N_("This code is not valid now.")

    def show(self, visit: Visit) -> Response:
        due = self.due(visit)
        if due is None:
            return self.to_sign_in(visit)
        return self.site.pages.answer(self._page(visit, due))

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        due = await self.site.queries.run(self.due, visit)
        if due is None:
            return self.to_sign_in(visit)

        def check(may_wait: bool) -> tuple[str, ...]:
            return self.methods(due, visit, form, may_wait=may_wait)

        try:
            methods = await self.site.checks.run(visit.request, self.METHOD, check)
            return await self.site.queries.run(self._complete, visit, due, methods)
        except InvalidCredentials:
            return await self.site.queries.run(self._refuse, visit, due, _(self.WRONG), 400)
        except TooManyRequests as error:
            sentence = too_many_codes(error)
            return await self.too_many(error, partial(self._refuse, visit, due, sentence))

    def methods(
        self, due: SignInSession, visit: Visit, form: Mapping[str, str], *, may_wait: bool
    ) -> tuple[str, ...]:
        """How the form proves that it is the user (RFC 8176); `InvalidCredentials` if it fails."""
        code, check_code = form.get("code", ""), self.parts.second_factor.check_code
        return check_code(due.user_id, code, visit.actor, may_wait=may_wait).methods

    def _complete(self, visit: Visit, due: SignInSession, methods: tuple[str, ...]) -> Response:
        sessions = self.parts.sessions
        session, cookie = sessions.complete(due, methods, visit.actor)
        return self.site.sign_in(self.after_sign_in(visit, session), cookie)

    def _refuse(self, visit: Visit, due: SignInSession, error: str, status: int) -> Response:
        return self.site.pages.answer(replace(self._page(visit, due), error=error), status)

    def _page(self, visit: Visit, due: SignInSession) -> SecondFactorPage:
        with self.parts.administration.reading() as work:
            kinds = {each.kind for each in work.factors.of_user(due.user_id)}
            codes_left = work.factors.recovery_codes_left(due.user_id)
        can_use_passkey = self.parts.passkeys.why_not_offered is None
        return SecondFactorPage(
            form=self.form(visit),
            takes_app="totp" in kinds,
            takes_code="totp" in kinds or codes_left > 0,
            offers_passkey="passkey" in kinds and can_use_passkey,
        )


class FirstFactorEndpoint(DueEndpoint):
    """Where a second factor is required of somebody who has none: one is added first."""

    PATH = "/sign-in/authenticator"

    def due(self, visit: Visit) -> SignInSession | None:
        """The session, unless its user has a factor: the password alone must not add another."""
        due = super().due(visit)
        user = self.parts.directory.load_user(due.user_id) if due else None
        return None if user is None or user.has_second_factor else due

    def show(self, visit: Visit) -> Response:
        due = self.due(visit)
        if due is None:
            return self.to_sign_in(visit)
        with self.parts.administration.reading() as work:
            setup = work.factors.begin_totp(due.user_id)
        return self._answer(authenticator_page(self, visit, setup))

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        due = self.due(visit)
        return self.to_sign_in(visit) if due is None else self.add(due, visit, form)

    def add(self, due: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        sealed, code = form.get("setup", ""), form.get("code", "")
        try:
            with self.adding(due, visit) as work:
                codes = work.factors.confirm_totp(due.user_id, sealed, code)
        except (InvalidField, NotFound):
            page = authenticator_page_again(self, visit, due.user_id, sealed)
            return self._answer(page, 400)
        return self.complete(visit, due, TOTP_METHODS, codes)

    @contextmanager
    def adding(self, due: SignInSession, visit: Visit) -> Iterator[UnitOfWork]:
        """`Site.changing`; `InvalidCredentials` also if a factor was added meanwhile."""
        with self.site.changing(due, visit) as work:
            if work.factors.of_user(due.user_id):
                raise InvalidCredentials("the user has a second factor", due.user_id)
            yield work

    def complete(
        self, visit: Visit, due: SignInSession, methods: tuple[str, ...], codes: list[str]
    ) -> Response:
        """Signed in; the recovery codes first."""
        _, cookie = self.parts.sessions.complete(due, methods, visit.actor)
        goes_on = self.to_sign_in(visit).headers["location"]
        page = RecoveryCodesPage(codes=tuple(codes), next_url=goes_on)
        return self.site.sign_in(self.site.pages.answer(page), cookie)

    def _answer(self, page: AuthenticatorPage, status: int = 200) -> Response:
        can_use_passkey = self.parts.passkeys.why_not_offered is None
        page = replace(page, is_required=True, offers_passkey=can_use_passkey)
        return self.site.pages.answer(page, status)
