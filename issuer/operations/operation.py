"""The declaration of a part of a resource, and of an operation on one of its items."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from issuer.resources import ResourceType

# The unit of work, with what the declaration uses of it.
Work = TypeVar("Work")
Item = TypeVar("Item", bound=BaseModel)


@dataclass(frozen=True)
class About:
    """What is asked about: the owner, and the key of the item; empty for all of them."""

    owner_id: str
    name: str
    """What sentences call the owner."""
    item: str
    own_id: str | None = None
    """The id of the user who asks in the console, and of their session."""
    own_session: str | None = None

    @property
    def is_self(self) -> bool:
        """Whether the owner is the user who asks."""
        return self.owner_id == self.own_id


@dataclass(frozen=True)
class OperationQuestion:
    """What is asked before something ends: what to do, what that means, the label of a button."""

    what: str
    why: str
    button: str


@dataclass(frozen=True, kw_only=True)
class PartOf(Generic[Work, Item]):
    """Items that belong to one resource, as sessions do to a user.

    They are listed at `/{owner}/{id}/{plural}` and by `issuer {owner} {name} list`.
    """

    owner: ResourceType[Any, Any]
    name: str
    plural: str
    model: type[Item]
    about: str
    """What the items are, a sentence."""
    lists: str
    """What the list shows, a sentence and what to know about it."""
    items: Callable[[Work, str], Sequence[Item]]
    """All of the owner with this id."""
    item: Callable[[Work, str, str], Item] | None = None
    """One of them, by its key; `NotFound`. None if the key stands for several items."""
    key: str = "id"
    """The member by which items are named."""
    order: Callable[[Item], str] | None = None
    """The text by which pages are ordered; by default the key."""
    columns: tuple[str, ...]
    """Of the table on the command line."""
    example: str
    """A key."""

    @property
    def parameter(self) -> str:
        """The key in paths and forms: `session_id`."""
        return self.key if self.key.endswith("_id") else f"{self.name}_{self.key}"

    def position(self, item: Item) -> str:
        """Where an item stands in pages."""
        return self.order(item) if self.order else getattr(item, self.key)


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[Work]):
    """What is done to a resource, or ends an item of a part of it, or `on_all` of these.

    On a resource it is POST `/{plural}/{id}/{verb}` in the admin API and `issuer {owner} {verb}`;
    on a part DELETE `/{plural}/{id}/{part}/{key}` and `issuer {owner} {name} {verb}`.
    """

    name: str
    """In OpenAPI."""
    on: ResourceType[Any, Any] | PartOf[Work, Any]
    verb: str
    past: str
    """The verb in the JSON that the command prints: `ended`."""
    summary: str
    more: str = ""
    """What else to know, for those who read on."""
    question: Callable[[Work, About], OperationQuestion] | None = None
    """None for what takes nothing away."""
    run: Callable[[Work, str, str], None]
    """With the id of the owner and the key of the item; `NotFound`."""
    done: str
    """A sentence about the owner `{name}` and the key `{item}`."""
    on_all: bool = False
    asks_scripts: bool = False
    """Whether a script, too, has to confirm it by `--yes`."""
    by_the_person: bool = False
    """Whether a user does it on the account page as well, for themselves."""

    @property
    def part(self) -> PartOf[Work, Any] | None:
        return self.on if isinstance(self.on, PartOf) else None

    @property
    def owner(self) -> ResourceType[Any, Any]:
        return self.on.owner if isinstance(self.on, PartOf) else self.on

    @property
    def parameter(self) -> str:
        """The key of the item in paths and forms; empty without one."""
        return "" if self.part is None or self.on_all else self.part.parameter

    @property
    def is_on_one(self) -> bool:
        """Whether it is done to one resource or item, which can be read."""
        return self.part is None or (self.part.item is not None and not self.on_all)

    def target(self, work: Any, owner_id: str, item: str) -> BaseModel:
        """That resource or item; `NotFound`."""
        target: BaseModel
        if self.part is None or self.part.item is None:
            target = work.collection(self.owner).get(owner_id)
        else:
            target = self.part.item(work, owner_id, item)
        return target

    @property
    def method(self) -> str:
        return "POST" if self.part is None else "DELETE"

    @property
    def action(self) -> str:
        """In forms of the console: `end-session`."""
        if self.part is None:
            return self.verb
        return f"{self.verb}-{self.part.plural if self.on_all else self.part.name}"

    def path(self, owner_id: str, item: str) -> tuple[str, ...]:
        """Below that of the admin API."""
        last = self.verb if self.part is None else self.part.plural
        return (self.owner.plural, owner_id, last, *([item] if item else []))

    def command(self, owner_id: str, item: str) -> tuple[str, ...]:
        """The words after `issuer`."""
        noun = self.owner.kind.replace(" ", "-")
        words = (self.verb,) if self.part is None else (self.part.name, self.verb)
        return (noun, *words, owner_id, *([item] if item else []))
