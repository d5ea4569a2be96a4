"""A screen of the console: what is around it, what its forms do, and the questions before that."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from starlette.responses import Response

from issuer.authority import NotKept
from issuer.authority.credentials import MembersNotKept
from issuer.composition import Access
from issuer.fields.secret_text import random_characters
from issuer.http.streaming import StreamedText
from issuer.resources import Command
from issuer.web.console.screens import views
from issuer.web.console.screens.answers import PATH, Notices
from issuer.web.console.screens.operator import KEEP, NeedsSignIn, Operator
from issuer.web.kept_forms import KeptForms
from issuer.web.rendering import page_headers
from issuer.web.site import Site
from issuer.web.visit import Visit, own_page
from issuer.web.words import segment

BAD_REQUEST, CONFLICT = 400, 409
_MAX_BOXES = 50
_SHOWN = 200  # characters of a field
# What is asked, why, and what was refused.
_KEEP_CREDENTIALS = (
    "Keep what others gave to these clients?",
    "Whoever gave a credential can act as the client, which would hold rights at this issuer."
    " Select what may stay. Cancel to replace the rest first.",
    "Nothing was changed: somebody without issuer:admin gave these.",
)
_KEEP_MEMBERS = (
    "Keep these members?",
    "As members they would hold rights at this issuer. Select who may stay. Cancel to remove the"
    " others first.",
    "Nothing was changed: somebody without issuer:admin added these users to the group.",
)
_USUAL: Mapping[str, Any] = {
    **{"may_change": False, "commands": (), "error": ""},
    **{"is_scripted": False, "suggests": False},
}
_QUESTION: Mapping[str, Any] = {
    "points": (),
    "facts": {},
    "boxes": {},
    "is_dangerous": True,
    "confirms": True,
}


@dataclass(frozen=True)
class Console:
    """What all screens use. `menu` are those that have an entry there."""

    site: Site
    notices: Notices
    kept_forms: KeptForms
    menu: Sequence[type["ConsoleScreen"]]

    def path(self, visit: Visit) -> str:
        """The path of the very page that is visited, below that of the issuer.

        It ends with the key of what the page shows, as one segment also where that is a URL.
        """
        path: str = visit.request.scope["path"]
        key: str = visit.request.path_params.get("key", "")
        return path.removeprefix(self.site.base).removesuffix(key) + segment(key)

    def stale(self, visit: Visit) -> Response:
        text = "The page was out of date, and nothing was changed. Here it is as it is now."
        return self.notices.keep(self.site.to(self.path(visit)), views.Notice(text))


@dataclass(repr=False)
class ConsoleScreen:
    """A screen as `operator` visits it; `form` is what they sent.

    LABEL is its entry in the menu, if it has one. It needs the scope READ; if that is None, any
    scope of the issuer. `show` answers GET and changes nothing; `act` does what a form asks for,
    in its field `do`, and redirects: by default nothing, since the screen has no form. Both raise
    the errors of the domain.

    Forms need the scope WRITE, and SIGN_IN says which of them need no recent sign-in, or only for
    something protected. After that sign-in the screen goes on with the form, if it KEEPS_FORMS.
    Forms of up to MAX_FORM bytes, if they may be larger than those of other pages, are taken only
    from people who may send them. The methods in SLOW run in the threads for plans. PARAMETERS of
    the query say what the screen is about; they outlast a sign-in.
    """

    PATH: ClassVar[str]
    LABEL: ClassVar[str] = ""
    READ: ClassVar[str | None] = None
    WRITE: ClassVar[str | None] = None
    SIGN_IN: ClassVar[Mapping[str, NeedsSignIn]] = {}
    KEEPS_FORMS: ClassVar[bool] = True
    MAX_FORM: ClassVar[int | None] = None
    SLOW: ClassVar[tuple[str, ...]] = ()
    PARAMETERS: ClassVar[tuple[str, ...]] = ()

    console: Console
    operator: Operator
    visit: Visit
    form: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.site, self.path = self.console.site, self.console.path(self.visit)
        self.parts = self.site.parts

    @classmethod
    def scopes(cls) -> Iterable[str]:
        """All that the screen needs."""
        return () if cls.READ is None else (cls.READ,)

    @classmethod
    def opens_for(cls, access: Access) -> bool:
        """Whether the menu offers it."""
        return all(map(access.holds, cls.scopes()))

    def authorize_form(self) -> None:
        """Refuse what a sign-in would not allow either, before asking for one."""
        if self.WRITE is not None:
            self.operator.require(self.WRITE)

    def needs_sign_in(self) -> NeedsSignIn:
        return self.SIGN_IN.get(self.form.get("do", ""), NeedsSignIn.ALWAYS)

    def show(self) -> Response:
        raise NotImplementedError

    def act(self) -> Response:
        return self.stale()

    def stale(self) -> Response:
        return self.console.stale(self.visit)

    def sign_in_first(self, given: Mapping[str, str]) -> Response:
        """To the sign-in, then back to this screen with the PARAMETERS that are given."""
        kept = {name: given[name] for name in self.PARAMETERS if name in given}
        return self.site.to("/sign-in", next=own_page(self.path, kept))

    def answer(
        self,
        template: str | tuple[str, ...],
        title: str,
        *,
        status: int | None = None,
        once: str | None = None,
        **shown: Any,
    ) -> Response:
        """The page; of several templates, the first that exists. 400 with errors, by default.

        `may_change`: with buttons and forms. `commands` show the same. `values` were typed into its
        form, and `errors` were found, by the name of the field; `present` is what the resource is
        now, where it was changed since the form was shown. `is_scripted`: there are buttons to copy
        or to print something; `suggests`: there are fields whose texts are completed. What else is
        `shown` has its template.
        `once` is the id of its forms, if that is not a new one.
        """
        for name in ("values", "errors", "present"):
            shown[name] = views.Typed(shown.get(name) or {})
        page = views.ConsolePage(
            names=(template,) if isinstance(template, str) else template,
            heading=title,
            frame=self._frame(once),
            shown={**_USUAL, **shown},
        )
        usual = BAD_REQUEST if shown["errors"] else 200
        return self.site.pages.answer(page, usual if status is None else status)

    def download(self, text: str, media_type: str, name: str) -> Response:
        """A file of that name."""
        return Response(text, media_type=media_type, headers=_of_file(name))

    def stream(
        self,
        open_pieces: Callable[[], AbstractContextManager[Iterable[str]]],
        media_type: str,
        name: str,
    ) -> Response:
        """A file of that name and of any length."""
        return StreamedText(self.site.plans, open_pieces, media_type, _of_file(name))

    def _frame(self, once: str | None) -> views.Frame:
        form = self.site.form(self.visit, self.path)
        once = random_characters(self.parts.random) if once is None else once
        notice = self.console.notices.of(self.visit.request)
        menu = tuple(self._menu())
        return views.Frame(
            self.operator.username, self.path, menu, replace(form, once=once), notice
        )

    def _menu(self) -> Iterator[views.MenuEntry]:
        """The entries that this person may open."""
        for each in self.console.menu:
            if each.opens_for(self.operator):
                is_within = each.PATH != PATH and self.path.startswith(f"{each.PATH}/")
                yield views.MenuEntry(each.LABEL, each.PATH, self.path == each.PATH or is_within)

    def finished(self, text: str, command: Command | None = None, path: str = "") -> Response:
        """To the page at `path`, by default this one, which says what was done."""
        notice = views.Notice(" ".join([text, *self.operator.warnings]), command)
        return self.console.notices.keep(self.site.to(path or self.path), notice)

    def ask(
        self,
        what: str,
        why: str,
        button: str,
        fields: Mapping[str, str],
        *,
        typed: str = "",
        wrong: str = "",
        refusal: str = "",
        **shown: Any,
    ) -> Response:
        """The page that asks before it is done; with `wrong` again, if not `typed` was typed.

        `points` are what `why` is about, one a line, or `facts`. `is_dangerous`: it ends something.
        `fields` are sent again with the confirmation, among them `do`, what is to be done;
        `confirms`: as confirmed. `boxes` are sent if they are selected. With `refusal` it asks for
        more, after the domain has refused what was asked for.
        """
        return self.answer(
            "confirm",
            what,
            status=CONFLICT if refusal else None,
            errors={"typed": wrong} if wrong else {},
            error=refusal,
            why=why,
            button=button,
            fields=fields,
            typed=typed,
            **{**_QUESTION, **shown},
        )

    def ask_to_keep(self, refused: NotKept) -> Response:
        """The form again, with a box for each credential that others gave, or for each member."""
        boxes = {f"{KEEP}{each.id}": str(each) for each in refused.given[:_MAX_BOXES]}
        left_out = {"form", "form_id", *boxes}
        is_of_members = isinstance(refused, MembersNotKept)
        what, why, refusal = _KEEP_MEMBERS if is_of_members else _KEEP_CREDENTIALS
        return self.ask(
            what,
            why,
            "Keep the selected ones",
            {name: value for name, value in self.form.items() if name not in left_out},
            boxes=boxes,
            refusal=refusal,
        )

    @property
    def secrets(self) -> Collection[str]:
        """The fields of its forms whose values are not shown again."""
        return ()

    def go_on(self, kept: Mapping[str, str]) -> Response:
        """After a sign-in that a form had to wait for: shows what was sent, and sends it again.

        With its id, so that it counts once.
        """
        fields = {name: value for name, value in kept.items() if name != "form_id"}
        button = (fields.get("do") or "send the form").replace("-", " ").capitalize()
        facts = {
            views.in_words(name): _shorten(value)
            for name, value in fields.items()
            if name not in {"do", "confirmed", "page", *self.secrets}
        }
        return self.ask(
            f"{button}?",
            "This needed a sign-in of the last ten minutes, and nothing was changed yet. You are"
            " signed in again: go on with what you sent?",
            button,
            fields,
            once=kept.get("form_id", ""),
            facts={"Page": self.path} | facts,
            is_dangerous=False,
            confirms=False,
        )


def _shorten(text: str) -> str:
    """What is left out is said."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"


def _of_file(name: str) -> dict[str, str]:
    headers = page_headers(serves_request=False)
    headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return headers
