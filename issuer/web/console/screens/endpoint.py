"""Every screen: who looks, with which rights, and which forms need a recent sign-in."""

from collections.abc import Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from issuer.authority import NotKept
from issuer.background.workers import WorkerPool
from issuer.errors import Forbidden, InUse, NotAllowed, NotFound
from issuer.http.requests import parameters, receive_body
from issuer.scopes import counts_here
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.account import OwnPageEndpoint
from issuer.web.console.screens.answers import PATH, NotAdministrator, problem_of
from issuer.web.console.screens.keys_of_others import LOOKED, KeyFetchRequired
from issuer.web.console.screens.operator import KEEP, NeedsSignIn, Operator, without_admin
from issuer.web.console.screens.picks import MAX_PARAMETERS, with_picks
from issuer.web.console.screens.screen import Console, ConsoleScreen
from issuer.web.console.screens.views import Notice
from issuer.web.visit import Visit

_TOO_LARGE = (
    "Nothing was changed: this needs a sign-in of the last ten minutes, and the form was too large"
    " to be kept meanwhile. You are signed in now: send it again."
)


class ConsoleEndpoint(OwnPageEndpoint):
    """Shows a screen to each person who may see it, and hands it their forms."""

    IS_TRANSLATED = False

    def __init__(self, console: Console, screen: type[ConsoleScreen]) -> None:
        super().__init__(console.site)
        self.PATH, self.PARAMETERS = screen.PATH, screen.PARAMETERS
        self._console, self._screen = console, screen
        self.workers = self._pool_for("GET")

    async def receive(self, request: Request) -> dict[str, str]:
        """Large forms are not parsed on the event loop."""
        largest = self._screen.MAX_FORM
        if largest is None or not await self.site.queries.run(self._may_send, request):
            return await super().receive(request)
        body = await receive_body(request, largest)
        return await self.site.queries.run(parameters, body, MAX_PARAMETERS)

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        """Waits for keys of others outside the worker threads."""
        try:
            return await self._pool_for("POST").run(self.change, visit, form)
        except KeyFetchRequired as wanted:
            await wanted.fetch_keys()
            return await self._pool_for("POST").run(self.change, visit, {**form, LOOKED: "yes"})

    def _pool_for(self, method: str) -> WorkerPool:
        return self.site.plans if method in self._screen.SLOW else self.site.queries

    def path(self, visit: Visit) -> str:
        return self._console.path(visit)

    def purpose(self, visit: Visit) -> str:
        return self.path(visit)

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        return self._console.stale(visit)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        kept_forms = self._console.kept_forms
        try:
            screen = self._screen_for(session, visit, {})
            kept = kept_forms.of(visit.request, session.id, screen.path)
            if kept is not None and self.site.is_fresh(session):
                return kept_forms.forget(screen.go_on(kept))
            response = screen.show()
        except (Forbidden, NotFound) as error:
            return self._problem(error)
        return self._console.notices.forget(visit.request, response)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            screen = self._screen_for(session, visit, with_picks(form))
            screen.authorize_form()
            if self.site.is_fresh(session):
                return screen.act()
            return self._act_without_recent_sign_in(screen)
        except NotKept as refused:
            return screen.ask_to_keep(refused)
        except (Forbidden, NotFound, InUse, NotAllowed) as error:
            return self._problem(error, self.path(visit))

    def _screen_for(
        self, session: SignInSession, visit: Visit, form: Mapping[str, str]
    ) -> ConsoleScreen:
        """`Forbidden` for a person who may not see it.

        `InvalidCredentials` if the session has ended: also because the user got rights since.
        """
        user = self.parts.directory.load_user(session.user_id)
        if user is None or user.disabled:
            raise Forbidden(self._screen.READ)
        with self.parts.administration.reading() as work:
            work.sessions.require(session)
        operator = Operator(
            self.parts.administration,
            visit.actor.known_as(user.id),
            self.site.scopes_here(user),
            session,
            user.username,
            form.get("form_id", ""),
            tuple(name.removeprefix(KEEP) for name in form if name.startswith(KEEP)),
        )
        if not counts_here(operator.held):
            raise NotAdministrator(user.username)
        for scope in self._screen.scopes():
            operator.require(scope)
        return self._screen(self._console, operator, visit, form)

    def _act_without_recent_sign_in(self, screen: ConsoleScreen) -> Response:
        needs, operator = screen.needs_sign_in(), screen.operator
        if needs is NeedsSignIn.NEVER:
            return screen.act()
        if needs is NeedsSignIn.IF_PROTECTED:
            held = without_admin(operator.held)
            operator = replace(operator, held=held, unused=operator.held - held)
            try:
                return replace(screen, operator=operator).act()
            except Forbidden as error:
                if error.scope is None or not screen.operator.holds(error.scope):
                    raise
        response = screen.sign_in_first(screen.form)
        if not screen.KEEPS_FORMS:
            return response
        keep, session_id = self._console.kept_forms.keep, screen.operator.session.id
        kept = keep(response, session_id, screen.path, screen.form)
        return kept or self._console.notices.keep(response, Notice(_TOO_LARGE))

    def _may_send(self, request: Request) -> bool:
        visit = self.site.visit(request)
        if (session := self.site.session(visit)) is None:
            return False
        try:
            self._screen_for(session, visit, {}).authorize_form()
        except Forbidden:
            return False
        return True

    def _problem(self, error: Exception, way_back: str = PATH) -> Response:
        if isinstance(error, NotAdministrator):
            self.site.pages.choose_language()
        page, status = problem_of(error, way_back)
        page = replace(page, way_back=self.site.base + page.way_back)
        return self.site.pages.problem(page, status)
