"""`/sign-in`: a user name and a password."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from starlette.responses import Response

from issuer.directory import UserRecord
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.http.cookies import SIGNED_OUT
from issuer.languages import N_, _, ngettext
from issuer.sign_in.authorization_request import AuthorizationRequest, SignInNeeded
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.metrics import PASSWORD
from issuer.web.providers import LOCAL, BeginsElsewhere
from issuer.web.sessions import SigningInEndpoint
from issuer.web.views import Application, SignInPage
from issuer.web.visit import Visit
from issuer.web.words import application_of

T = TypeVar("T")

_WRONG = N_("Wrong user name or password.")
_MISSING = N_("Enter your user name and your password.")
_CHANGED = N_("Your account was changed a moment ago. Sign in again.")
_STALE = N_("This page was open in another tab or for too long. Enter your password again.")
_AGAIN = N_("Sign in again: this needs a recent sign-in, second factor included.")
_RESET = N_("Your password is changed, and every session has ended. Sign in with the new one.")
_SWITCH = "switch"  # for somebody else than the person who is signed in
_PASSWORD = ("pwd",)  # RFC 8176


class SignInEndpoint(BeginsElsewhere, SigningInEndpoint):
    """One answer and one duration for every wrong user name or password.

    Where one trusted issuer is the only way to sign in, the browser is sent there at once; not
    after a sign-out, and not if the page for administrators is asked for.
    """

    PATH = "/sign-in"
    METHOD = PASSWORD

    async def present(self, visit: Visit) -> Response:
        shown = await self.workers.run(self._show, visit)
        return shown if isinstance(shown, Response) else await self.begin_at(visit, shown)

    def _show(self, visit: Visit) -> Response | TrustedIssuerRecord:
        session = self.site.session(visit)
        request = self.open_request(visit)
        if request is None and visit.request_id:
            return self.request_gone()
        if _SWITCH in visit.query:
            session = None
        elif (elsewhere := self._without_sign_in(visit, request, session)) is not None:
            return elsewhere
        only = self._only_way(visit)
        signed_out = self.site.cookies.value(visit.request, SIGNED_OUT) is not None
        if only is not None and not (signed_out or _SWITCH in visit.query):
            return only
        page = SignInPage(
            form=self.form(visit),
            username=self._expected_username(request, session),
            notice=_(_AGAIN) if self._needs_fresh(visit, request, session) else "",
            done=_(_RESET) if visit.query.get("done") == "password" else "",
            is_local=only is None,
        )
        return self.page(visit, page)

    def _only_way(self, visit: Visit) -> TrustedIssuerRecord | None:
        """The one beside which only administrators sign in, unless they ask for this page."""
        ways = () if LOCAL in visit.query else self.providers()
        return next((each for each in ways if each.is_only_way), None)

    def _without_sign_in(
        self, visit: Visit, request: AuthorizationRequest | None, session: SignInSession | None
    ) -> Response | None:
        """Where somebody goes on who need not sign in now."""
        if request is not None:
            step = self.next_step(visit, request, session)
            return None if isinstance(step, SignInNeeded) else self.go(visit, step)
        if session is not None and (not visit.next or self.site.is_fresh(session)):
            return self.site.to(visit.next or "/account")
        return None

    def _needs_fresh(
        self, visit: Visit, request: AuthorizationRequest | None, session: SignInSession | None
    ) -> bool:
        if session is None or request is None:
            return session is not None and bool(visit.next)
        return self.parts.flow.needs_fresh_sign_in(request)

    def _expected_username(
        self, request: AuthorizationRequest | None, session: SignInSession | None
    ) -> str:
        """Whom the application wants (OpenID Connect Core §3.1.2.1), else who is signed in."""
        user_id = request.expected_user_id if request else None
        if user_id is None and request and request.login_hint:
            return request.login_hint
        if user_id is None and session:
            user_id = session.user_id
        user = self.parts.directory.load_user(user_id) if user_id else None
        return user.username if user else ""

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        if form.get("decision") == "deny":
            return await self.site.queries.run(self._deny, visit)
        username, password = form.get("username", ""), form.get("password", "")
        page = SignInPage(form=self.form(visit), username=username)
        if not username or not password:
            return await self._refuse(visit, replace(page, error=_(_MISSING)))
        authenticate = self.parts.sign_in.authenticate_first_factor

        def check(may_wait: bool) -> UserRecord:
            return authenticate(username, password, visit.actor, may_wait=may_wait)

        def begin(wrong: SignInPage, user: UserRecord) -> Response:
            # Another process may just have changed the password and revoked the tokens.
            self.parts.changes.poll()
            changed = replace(wrong, error=_(_CHANGED))
            after = partial(self.after_first_factor, visit, user, _PASSWORD)
            return self.begin_with(visit, user, changed, after)

        wrong = replace(page, error=_(_WRONG))
        return await self.run_check(visit, wrong, check, begin, username=username)

    async def run_check(
        self,
        visit: Visit,
        wrong: SignInPage,
        check: Callable[[bool], T],
        begin: Callable[[SignInPage, T], Response],
        *,
        username: str | None = None,
    ) -> Response:
        """`begin` a session with what `check` gives; the page `wrong` if that fails."""
        try:
            found = await self.site.checks.run(visit.request, self.METHOD, check, username=username)
        except InvalidCredentials:
            return await self._refuse(visit, wrong)
        except TooManyRequests as error:
            sentence = ngettext(
                "Too many attempts to sign in. Try again in %(num)s second.",
                "Too many attempts to sign in. Try again in %(num)s seconds.",
                error.retry_after,
            )
            page = replace(wrong, error=sentence)
            return await self.too_many(error, partial(self.page, visit, page))
        return await self.site.queries.run(begin, wrong, found)

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        """Signed in meanwhile: go on. Else nothing typed is lost but the password."""
        if self.site.session(visit) is not None and not visit.next:
            return super().stale(visit, form)
        username = form.get("username", "")
        page = SignInPage(form=self.form(visit), username=username, notice=_(_STALE))
        return self.page(visit, page, 400)

    def _deny(self, visit: Visit) -> Response:
        """Back to the application without signing in."""
        request = self.open_request(visit)
        if request is None:
            return self.site.to("/")
        step = self.parts.flow.deny(request, self.site.session(visit), visit.actor)
        return self.go(visit, step)

    def begin_with(
        self, visit: Visit, user: UserRecord, changed: SignInPage, begin: Callable[[], Response]
    ) -> Response:
        """`begin` a session of the user here; the page `changed` if they were just changed."""
        if sentence := self.must_go_elsewhere(user):
            return self.page(visit, replace(changed, error=sentence), 400)
        try:
            return begin()
        except InvalidCredentials:
            return self.page(visit, changed, 400)

    async def _refuse(self, visit: Visit, page: SignInPage) -> Response:
        return await self.site.queries.run(self.page, visit, page, 400)

    def page(self, visit: Visit, page: SignInPage, status: int = 200) -> Response:
        providers = self.provider_buttons()
        if not page.is_local:
            providers = tuple(each for each in providers if each.is_only)
        page = replace(
            page,
            application=self._application(visit),
            offers_passkey=page.is_local and self.parts.passkeys.why_not_offered is None,
            providers=providers,
            local_path=self.local_path(visit),
            leads_elsewhere=bool(providers),
        )
        return self.site.pages.answer(page, status)

    def _application(self, visit: Visit) -> Application | None:
        request = self.open_request(visit)
        if request is None:
            return None
        client = self.parts.flow.client_of(request)
        return application_of(client, request.redirect_uri) if client else None
