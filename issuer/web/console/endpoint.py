"""The frame of every screen: who looks, with which rights, and what they may not see."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from starlette.responses import Response

from issuer.catalogue import counts_here
from issuer.composition import Access
from issuer.errors import Forbidden, InUse, NotAllowed, NotFound
from issuer.scopes import ISSUER_ADMIN
from issuer.sign_in.session import SignInSession
from issuer.web.account import OwnPageEndpoint
from issuer.web.console.commands import Commands
from issuer.web.console.menu import PATH, menu
from issuer.web.console.notices import Notices
from issuer.web.console.views import (
    Command,
    ConfirmationPage,
    ConsolePage,
    Frame,
    Notice,
    Typed,
)
from issuer.web.site import Site
from issuer.web.views import ProblemPage
from issuer.web.visit import Visit
from issuer.web.words import segment

_OK = 200
_BAD_REQUEST = 400
_FORBIDDEN = 403
_NOT_FOUND = 404
_CONFLICT = 409


@dataclass(frozen=True)
class Operator(Access):
    """The person who looks, with the rights that they hold at this moment."""

    session: SignInSession
    username: str

    def may_change(self, write: str, *, is_protected: bool) -> bool:
        """Whether the person holds `write`; of what has rights at the issuer, `issuer:admin`.

        The domain decides this too; the console offers nothing that could only be refused.
        """
        return self.holds(ISSUER_ADMIN if is_protected else write)

    def require_may_change(self, write: str, *, is_protected: bool) -> None:
        """`Forbidden` unless `may_change`."""
        self.require(write)
        if is_protected:
            self.require(ISSUER_ADMIN)


class ConsoleEndpoint(OwnPageEndpoint):
    """A screen. It needs the scope READ; if that is None, any scope of the issuer.

    `screen` answers GET and changes nothing; `act` does what a form of the screen asks for, in
    its field `do`, and redirects: by default nothing, since the screen has no form. Both raise the
    errors of the domain.
    """

    READ: ClassVar[str | None] = None

    def __init__(self, site: Site, notices: Notices) -> None:
        super().__init__(site)
        self.notices = notices
        self.commands = Commands(site.parts.settings.base_url)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        raise NotImplementedError

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        return self.stale(visit, form)

    def show_to(self, session: SignInSession, visit: Visit) -> Response:
        try:
            operator = self._operator(session, visit)
            response = self.screen(operator, visit)
        except (Forbidden, NotFound) as error:
            return self._problem(error)
        return self.notices.forget(visit.request, response)

    def change_for(self, session: SignInSession, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            return self.act(self._operator(session, visit), visit, form)
        except (Forbidden, NotFound, InUse, NotAllowed) as error:
            return self._problem(error, self.path(visit))

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        text = "The page was out of date, and nothing was changed. Here it is as it is now."
        return self.notices.keep(self.site.to(self.path(visit)), Notice(text))

    def path(self, visit: Visit) -> str:
        """The path of this very page, below that of the issuer.

        It ends with the key of what the page shows, as one segment also where that is a URL.
        """
        path: str = visit.request.scope["path"]
        key: str = visit.request.path_params.get("key", "")
        return path.removeprefix(self.site.base).removesuffix(key) + segment(key)

    def purpose(self, visit: Visit) -> str:
        return self.path(visit)

    def frame(self, operator: Operator, visit: Visit) -> Frame:
        return Frame(
            operator.username,
            self.path(visit),
            menu(operator, self.path(visit)),
            self.form(visit),
            self.notices.of(visit.request),
        )

    def form_page(
        self,
        operator: Operator,
        visit: Visit,
        page: Callable[..., ConsolePage],
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        status: int = _OK,
        *,
        present: Mapping[str, str] | None = None,
        error: str = "",
    ) -> Response:
        """A page with a form. `page` makes it with what is the same for every form."""
        shown = page(
            frame=self.frame(operator, visit),
            values=Typed(values),
            errors=Typed(errors or {}),
            present=Typed(present or {}),
            error=error,
        )
        return self.site.pages.answer(shown, status)

    def finished(
        self, path: str, text: str, command: Command | None = None, **query: str
    ) -> Response:
        """To the page at `path`, which says what was done."""
        return self.notices.keep(self.site.to(path, **query), Notice(text, command))

    def ask(
        self,
        operator: Operator,
        visit: Visit,
        what: str,
        why: str,
        button: str,
        fields: Mapping[str, str],
        *,
        commands: Sequence[Command] = (),
        typed: str = "",
        error: str = "",
        points: Sequence[str] = (),
        refusal: str = "",
        is_dangerous: bool = True,
    ) -> Response:
        """The page that asks before it is done; with `error` again, if something else was typed.

        With `refusal` it asks for more, after the domain has refused what was asked for.
        """
        page = ConfirmationPage(
            frame=self.frame(operator, visit),
            commands=commands,
            what=what,
            why=why,
            points=points,
            error=refusal,
            button=button,
            fields=dict(fields),
            typed=typed,
            errors=Typed({"typed": error} if error else {}),
            is_dangerous=is_dangerous,
        )
        return self.site.pages.answer(
            page, _CONFLICT if refusal else _BAD_REQUEST if error else _OK
        )

    def _operator(self, session: SignInSession, visit: Visit) -> Operator:
        """`Forbidden` for a person who may not see this screen."""
        user = self.parts.directory.load_user(session.user_id)
        if user is None or user.disabled:
            raise Forbidden(self.READ)
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

    def _problem(self, error: Exception, way_back: str = PATH) -> Response:
        """A page for what the domain refuses; `way_back` below the path of the issuer."""
        heading, status = "This was refused", _CONFLICT
        if isinstance(error, NotFound):
            heading, status, way_back = "Not found", _NOT_FOUND, PATH
        elif isinstance(error, Forbidden):
            heading, status = "You may not do this", _FORBIDDEN
            way_back = PATH if error.scope else "/account"
        page = ProblemPage(
            heading=heading,
            sentence=f"{error} Nothing was changed.",
            way_back=self.site.base + way_back,
            way_back_says="Go back",
        )
        return self.site.pages.problem(page, status)
