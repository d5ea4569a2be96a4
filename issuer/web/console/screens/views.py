"""What all screens of the console show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from issuer.composition import UnitOfWork
from issuer.database.store import MOST_SORTED, ListQuery
from issuer.resources import Command, ResourceType
from issuer.resources.resource_type import ModelT
from issuer.web.views import COPY, SUGGEST, Form, WebPage
from issuer.web.visit import Visit

Item = TypeVar("Item")
PAGE = 50
MOST_COUNTED = MOST_SORTED
MAX_CHARACTERS = 255


class Typed(dict[str, str]):
    """By the name of a field; empty for the others."""

    def __missing__(self, name: str) -> str:
        return ""


def in_words(name: str) -> str:
    """What people read for the name of a field."""
    return name.replace("_", " ").capitalize()


@dataclass(frozen=True, slots=True)
class MenuEntry:
    label: str
    path: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """What was just done."""

    text: str
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """What is around every screen: who looks, the menu, what was just done.

    `form` has the hidden fields of every form of the screen, which are sent to `path`.
    """

    user: str
    path: str
    menu: tuple[MenuEntry, ...]
    form: Form
    notice: Notice | None = None


@dataclass(frozen=True, kw_only=True)
class ConsolePage(WebPage):
    """A screen, shown by the first of the templates `names` that exists.

    `shown` is what it shows, by name: templates find `shown["keys"]` as `page.keys`.
    """

    WIDE = True
    names: tuple[str, ...]
    heading: str
    frame: Frame
    shown: Mapping[str, Any] = field(repr=False)

    @property
    def title(self) -> str:
        return f"{'Error: ' if self.shown['errors'] else ''}{self.heading}"

    @property
    def wrong(self) -> tuple[tuple[str, str, str], ...]:
        """What is wrong with each field that is: its name, its label and why."""
        type_ = self.shown.get("type")
        members = type_.members if type_ else {}
        return tuple(
            (name, members[name].label if name in members else in_words(name), text)
            for name, text in self.shown["errors"].items()
        )

    @property
    def script(self) -> str:
        if self.shown["is_scripted"]:
            return COPY
        return SUGGEST if self.shown["suggests"] else ""

    @property
    def templates(self) -> tuple[str, ...]:
        return tuple(f"console/{name}.html" for name in self.names)

    def __getitem__(self, name: str) -> Any:
        return self.shown[name]


@dataclass(frozen=True, slots=True)
class Sorting:
    """What a list is sorted by, and what it `can` be sorted by; `query` is that of the list."""

    by: str
    descending: bool
    can: Sequence[str]
    query: Mapping[str, str]

    def link(self, name: str) -> str:
        """The query with which the list is sorted by that, or the other way round if it is."""
        is_turned = name == self.by and not self.descending
        order = {"order": "desc"} if is_turned else {}
        return urlencode({**self.query, "sort": name, **order})

    @property
    def kept(self) -> dict[str, str]:
        """The query that keeps the order."""
        return {"sort": self.by} | ({"order": "desc"} if self.descending else {})


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """A part of a list. `count` is in words, "1,000+" where counting on would take long.

    `next_url` is empty on the last page, `first_url` on the first one. A search has looked at so
    many, if not at all. `export` is the query for a file of the list. `filters` are queries of it
    by name, and `only` the name of the one that counts.
    """

    items: tuple[Item, ...]
    count: str
    search: str = ""
    next_url: str = ""
    first_url: str = ""
    looked_at: int | None = None
    sorting: Sorting | None = None
    export: str = ""
    filters: Mapping[str, str] = field(default_factory=dict)
    only: str = ""


def list_query(visit: Visit, limit: int) -> ListQuery:
    """The part of a list that the query names."""
    names = ("search", "sort", "order", "after", "only")
    search, sort, order, after, only = map(visit.query.get, names)
    searched = (search or "").strip()[:MAX_CHARACTERS]
    return ListQuery(limit, searched, sort or "", order == "desc", after, only or "")


def listing(
    work: UnitOfWork, visit: Visit, url: str, resource_type: ResourceType[Any, ModelT]
) -> Listing[ModelT]:
    """The part of a list that the query names; `url` is that of the list.

    Sorted by name, unless the query names something else by which so many can be sorted.
    """
    asked = list_query(visit, PAGE)
    collection = work.collection(resource_type)
    part, filters = collection.listed(asked), collection.filters
    can = part.sortable
    only = asked.only if asked.only in filters else ""
    text = {"search": asked.search} if asked.search else {}
    searched = text | ({"only": only} if only else {})
    by = asked.sort if asked.sort in can else can[0]
    sorting = Sorting(by, asked.descending, can, searched)
    order = sorting.kept if by != can[0] or asked.descending else {}
    kept = searched | order
    count = count_text(part.total)
    if searched:
        is_whole = part.next is None and asked.after is None
        count = f"{len(part.items):,} found" if is_whole else "found"
    return Listing(
        tuple(part.items),
        count,
        asked.search,
        f"{url}?{urlencode({**kept, 'after': part.next})}" if part.next else "",
        f"{url}?{urlencode(kept)}".rstrip("?") if asked.after else "",
        part.looked_at,
        sorting,
        urlencode(kept),
        {name: urlencode({**text, **order, "only": name}) for name in filters},
        only,
    )


def count_text(number: int, total: int | None = None) -> str:
    """In words: with a plus if `total`, by default `number` itself, was not counted to its end."""
    return f"{number:,}{'+' if (total or number) == MOST_COUNTED else ''}"
