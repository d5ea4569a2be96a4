"""What all screens of the console show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from issuer.composition import UnitOfWork
from issuer.resources import ResourceType
from issuer.resources.resource_type import ModelT
from issuer.web.views import Form, WebPage
from issuer.web.visit import Visit

Item = TypeVar("Item")
PAGE = 50
MOST_COUNTED = 10_000
_MAX_CHARACTERS = 255


class Typed(dict[str, str]):
    """By the name of a field; empty for the others."""

    def __missing__(self, name: str) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    label: str
    path: str
    is_current: bool


@dataclass(frozen=True, slots=True)
class Command:
    """One change on the command line and by the admin API; empty where one of them has none.

    `body` is the JSON of the request.
    """

    cli: str
    rest: str = ""
    body: str = ""


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
        return self.heading

    @property
    def templates(self) -> tuple[str, ...]:
        return tuple(f"console/{name}.html" for name in self.names)

    def __getitem__(self, name: str) -> Any:
        return self.shown[name]


@dataclass(frozen=True, slots=True)
class Listing(Generic[Item]):
    """A part of a list. `count` is in words, "1,000+" where counting on would take long.

    `next_url` is empty on the last page, `first_url` on the first one.
    """

    items: tuple[Item, ...]
    count: str
    search: str = ""
    next_url: str = ""
    first_url: str = ""


def listing(
    work: UnitOfWork, visit: Visit, url: str, resource_type: ResourceType[Any, ModelT]
) -> Listing[ModelT]:
    """The part of a list that the query names; `url` is that of the list.

    A search finds ids and names by how they begin: with an index, however many there are.
    """
    collection = work.collection(resource_type)
    search = visit.query.get("search", "").strip()[:_MAX_CHARACTERS]
    if search:
        found = collection.search(search, PAGE + 1)
        count = f"the first {PAGE} found" if len(found) > PAGE else f"{len(found)} found"
        return Listing(tuple(found[:PAGE]), count, search, first_url=url)
    after, descending = visit.query.get("after"), visit.query.get("order") == "desc"
    items = collection.page(after, PAGE + 1, descending=descending)
    order = {"order": "desc"} if descending else {}
    next_url = first_url = ""
    if len(items) > PAGE:
        last = resource_type.key_of(items[PAGE - 1])
        next_url = f"{url}?{urlencode({**order, 'after': last})}"
    if after:
        first_url = f"{url}?{urlencode(order)}".rstrip("?")
    count = counted(collection.count(MOST_COUNTED))
    return Listing(tuple(items[:PAGE]), count, "", next_url, first_url)


def counted(number: int, total: int | None = None) -> str:
    """In words: with a plus if `total`, by default `number` itself, was not counted to its end."""
    return f"{number:,}{'+' if (total or number) == MOST_COUNTED else ''}"
