"""What is around every screen: the menu, what was done; forms, and questions before a change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from starlette.responses import Response

from issuer.composition import Access
from issuer.fields.secret_text import random_characters
from issuer.web.account import OwnPageEndpoint
from issuer.web.console.screens.answers import PATH, KeptForms, Notices
from issuer.web.console.screens.commands import Commands
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import (
    Command,
    ConfirmationPage,
    ConsolePage,
    Frame,
    MenuEntry,
    Notice,
    Typed,
)
from issuer.web.site import Site
from issuer.web.views import Form
from issuer.web.visit import Visit
from issuer.web.words import segment

_OK, _BAD_REQUEST, _CONFLICT = 200, 400, 409


class FramedEndpoint(OwnPageEndpoint):
    """A page of the console, with the menu. LABEL is its entry there, if it has one.

    READ is the scope that opens it.
    """

    READ: ClassVar[str | None] = None
    LABEL: ClassVar[str] = ""

    def __init__(
        self,
        site: Site,
        notices: Notices,
        kept_forms: KeptForms,
        menu: Sequence[type["FramedEndpoint"]],
    ) -> None:
        super().__init__(site)
        self._menu = menu
        self.notices = notices
        self.kept_forms = kept_forms
        self.commands = Commands(site.parts.settings.base_url)

    @classmethod
    def opens_for(cls, access: Access) -> bool:
        """Whether the menu offers it."""
        return cls.READ is None or access.holds(cls.READ)

    def _menu_for(self, access: Access, current: str) -> Iterator[MenuEntry]:
        """The entries that this person may open; `current` is the path of the page."""
        for each in self._menu:
            if each.opens_for(access):
                is_within = each.PATH != PATH and current.startswith(f"{each.PATH}/")
                yield MenuEntry(each.LABEL, each.PATH, current == each.PATH or is_within)

    def form(self, visit: Visit) -> Form:
        return replace(super().form(visit), once=random_characters(self.parts.random))

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
            tuple(self._menu_for(operator, self.path(visit))),
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
        self,
        path: str,
        text: str,
        command: Command | None = None,
        warnings: Sequence[str] = (),
        **query: str,
    ) -> Response:
        """To the page at `path`, which says what was done."""
        notice = Notice(" ".join([text, *warnings]), command)
        return self.notices.keep(self.site.to(path, **query), notice)

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
        boxes: Mapping[str, str] | None = None,
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
            boxes=boxes or {},
            errors=Typed({"typed": error} if error else {}),
            is_dangerous=is_dangerous,
        )
        return self.site.pages.answer(
            page, _CONFLICT if refusal else _BAD_REQUEST if error else _OK
        )
