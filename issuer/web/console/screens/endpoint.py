"""Every screen: who looks, with which rights, and which forms need a recent sign-in."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from starlette.requests import Request
from starlette.responses import Response

from issuer.authority import CredentialsNotKept
from issuer.errors import Forbidden, InUse, NotAllowed, NotFound
from issuer.http.requests import parameters, receive_body
from issuer.scopes import counts_here
from issuer.sign_in.sessions_store import SignInSession
from issuer.web.console.screens.answers import PATH, go_on_page, problem_of
from issuer.web.console.screens.frame import FramedEndpoint
from issuer.web.console.screens.operator import NeedsSignIn, Operator, needs_sign_in, without_admin
from issuer.web.console.screens.views import Notice
from issuer.web.visit import Visit

_KEEP = "keep "  # and the id of a credential: the name of a box
_MAX_BOXES = 50
_TOO_LARGE = (
    "Nothing was changed: this needs a sign-in of the last ten minutes, and the form was too large"
    " to be kept meanwhile. You are signed in now: send it again."
)


class ConsoleEndpoint(FramedEndpoint):
    """A screen. It needs the scope READ; if that is None, any scope of the issuer.

    `screen` answers GET and changes nothing; `act` does what a form of the screen asks for, in
    its field `do`, and redirects: by default nothing, since the screen has no form. Both raise the
    errors of the domain. Forms need the scope WRITE, and SIGN_IN says which of them need no recent
    sign-in, or only for something protected. Forms of up to MAX_FORM bytes, if they may be larger
    than those of other pages, are taken only from people who may send them.
    """

    WRITE: ClassVar[str | None] = None
    SIGN_IN: ClassVar[Mapping[str, NeedsSignIn]] = {}
    MAX_FORM: ClassVar[int | None] = None

    async def receive(self, request: Request) -> dict[str, str]:
        """Large forms are not parsed on the event loop."""
        if self.MAX_FORM is None or not await self.site.queries.run(self._may_send, request):
            return await super().receive(request)
        body = await receive_body(request, self.MAX_FORM)
        return await self.site.queries.run(parameters, body)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        raise NotImplementedError

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.stale(visit, form)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        try:
            operator = self.operator(session, visit)
            kept = self.kept_forms.of(visit.request, session.id, self.path(visit))
            if kept is not None and self.site.is_fresh(session):
                return self.kept_forms.forget(self.go_on(operator, visit, kept))
            response = self.screen(operator, visit)
        except (Forbidden, NotFound) as error:
            return self._problem(error)
        return self.notices.forget(visit.request, response)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            operator = self.operator(session, visit)
            operator = replace(operator, once=form.get("form_id", ""), kept=_kept_in(form))
            self.authorize_form(operator, visit, form)
            if self.site.is_fresh(session):
                return self.act(operator, visit, form)
            return self._act_without_recent_sign_in(operator, visit, form)
        except CredentialsNotKept as refused:
            return self._ask_to_keep(operator, visit, form, refused)
        except (Forbidden, NotFound, InUse, NotAllowed) as error:
            return self._problem(error, self.path(visit))

    def authorize_form(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> None:
        """Refuse what a sign-in would not allow either, before asking for one."""
        self.require_write(operator)

    def require_write(self, operator: Operator) -> None:
        """`Forbidden` for a person who may send no form of this screen."""
        if self.WRITE is not None:
            operator.require(self.WRITE)

    def needs_sign_in(self, form: Mapping[str, str]) -> NeedsSignIn:
        return needs_sign_in(self.SIGN_IN, form)

    def _act_without_recent_sign_in(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> Response:
        needs = self.needs_sign_in(form)
        if needs is NeedsSignIn.NEVER:
            return self.act(operator, visit, form)
        if needs is NeedsSignIn.ALWAYS:
            return self.sign_in_again(operator, visit, form)
        try:
            held = without_admin(operator.held)
            return self.act(replace(operator, held=held, unused=operator.held - held), visit, form)
        except Forbidden as error:
            if error.scope is None or not operator.holds(error.scope):
                raise
            return self.sign_in_again(operator, visit, form)

    def sign_in_again(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        """To the sign-in, then back to this page, which offers to go on with the form."""
        response = self.sign_in_first(visit, form)
        path = self.path(visit)
        kept = self.kept_forms.keep(response, operator.session.id, path, form)
        return kept or self.notices.keep(response, Notice(_TOO_LARGE))

    def go_on(self, operator: Operator, visit: Visit, kept: Mapping[str, str]) -> Response:
        """The page after a sign-in that a form had to wait for."""
        return self.site.pages.answer(go_on_page(self.frame(operator, visit), kept))

    def _ask_to_keep(
        self,
        operator: Operator,
        visit: Visit,
        form: Mapping[str, str],
        refused: CredentialsNotKept,
    ) -> Response:
        """The form again, with a box for each credential that others gave."""
        boxes = {f"{_KEEP}{each.id}": str(each) for each in refused.credentials[:_MAX_BOXES]}
        return self.ask(
            operator,
            visit,
            "Keep what others gave to these clients?",
            "Whoever gave a credential can act as the client, which would hold rights at this"
            " issuer. Select what may stay. Cancel to replace the rest first.",
            "Keep the selected ones",
            {
                name: value
                for name, value in form.items()
                if name not in {"form", "form_id", *boxes}
            },
            boxes=boxes,
            refusal="Nothing was changed: somebody without issuer:admin gave these.",
        )

    def operator(self, session: SignInSession, visit: Visit) -> Operator:
        """`Forbidden` for a person who may not see this screen.

        `InvalidCredentials` if the session has ended: also because the user got rights since.
        """
        user = self.parts.directory.load_user(session.user_id)
        if user is None or user.disabled:
            raise Forbidden(self.READ)
        with self.parts.administration.reading() as work:
            work.sessions.require(session)
        operator = Operator(
            self.parts.administration,
            visit.actor.known_as(user.id),
            self.site.scopes_here(user),
            session,
            user.username,
        )
        if not counts_here(operator.held):
            raise Forbidden(None)
        if self.READ is not None:
            operator.require(self.READ)
        return operator

    def _may_send(self, request: Request) -> bool:
        visit = self.site.visit(request)
        if (session := self.site.session(visit)) is None:
            return False
        try:
            self.require_write(self.operator(session, visit))
        except Forbidden:
            return False
        return True

    def _problem(self, error: Exception, way_back: str = PATH) -> Response:
        page, status = problem_of(error, way_back)
        page = replace(page, way_back=self.site.base + page.way_back)
        return self.site.pages.problem(page, status)


def _kept_in(form: Mapping[str, str]) -> tuple[str, ...]:
    """The ids of the credentials that the form confirms."""
    return tuple(name.removeprefix(_KEEP) for name in form if name.startswith(_KEEP))
