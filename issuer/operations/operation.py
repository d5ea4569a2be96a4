"""The declaration of a part of a resource, and of an operation on one of its items."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel

from issuer.errors import NotFound
from issuer.fields.fields import Fields
from issuer.resources import Command, ResourceType
from issuer.resources.resource_type import members_of, options_of

# The unit of work, with what the declaration uses of it.
Work = TypeVar("Work")
Item = TypeVar("Item", bound=BaseModel)
# Of one item, which several members may name; or the keys of several, where items are resources
# that a person names.
Key: TypeAlias = str | Fields | tuple[str, ...]
_POINTS, _NAMES = 10, 3  # in a sentence


def names_in_words(names: Sequence[str]) -> str:
    """Some of them, and how many more there are."""
    more = len(names) - _NAMES
    return ", ".join(names[:_NAMES]) + (f" and {more:,} more" if more > 0 else "")


@dataclass(frozen=True, kw_only=True)
class Flag:
    """A choice beside what is done: a query parameter, an option, a box of the question.

    Without the text of an option it is set by whoever confirms the question despite its warnings.
    """

    name: str
    about: str
    """In OpenAPI."""
    option: str = ""
    label: str = ""
    done: str = ""
    """A sentence about what it did."""

    @property
    def word(self) -> str:
        """On the command line."""
        return f"--{self.name.replace('_', '-')}" if self.option else "--yes"


@dataclass(frozen=True)
class About:
    """What is asked about: the owner, and the key of the item; empty for all of them."""

    owner_id: str
    name: str
    """What sentences call the owner."""
    key: Key
    called: str = ""
    """What sentences call the item, if that is not its key, or several items."""
    flags: frozenset[str] = frozenset()
    """Those that are set."""
    fields: Any = None
    """What else is given."""
    own_id: str | None = None
    """The id of the user who asks in the console, and of their session."""
    own_session: str | None = None

    @property
    def item(self) -> str:
        """The key of the one item."""
        assert isinstance(self.key, str)
        return self.key

    @property
    def items(self) -> tuple[str, ...]:
        """The keys of several items."""
        return self.key if isinstance(self.key, tuple) else (self.item,)

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
    warnings: tuple[str, ...] = ()
    """Sentences against it: it is done only if somebody confirms them."""
    ends: str = ""
    """What it ends: when that has changed, it is asked again. By default all that is said."""
    points: tuple[str, ...] = ()
    """What `why` is about, one a line."""

    @property
    def says(self) -> str:
        """All but what to do and the points."""
        return " ".join([*self.warnings, self.why])

    @property
    def says_all(self) -> str:
        """All that is said, with some of the points."""
        sentences = [self.what, self.says, *(f"{point}." for point in self.points[:_POINTS])]
        if (more := len(self.points) - _POINTS) > 0:
            sentences.append(f"And {more:,} more such changes.")
        return " ".join(filter(None, sentences))

    @property
    def subject(self) -> str:
        """A digest of what a confirmation is for."""
        ends = [self.ends or [self.what, self.why, *self.points], bool(self.warnings)]
        return hashlib.sha256(json.dumps(ends).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class PartOf(Generic[Work, Item]):
    """Items that belong to one resource, as sessions do to a user.

    They are listed at `/{owner}/{id}/{plural}` and by `issuer {owner} {name} list`. With an empty
    `key` there is one at most, which has the path to itself; without a `name`, the commands stand
    beside those of the owner. Those inside a `member` of the owner have no path: the admin API
    reads and changes them with the owner.
    """

    owner: ResourceType[Any, Any]
    name: str
    plural: str
    model: type[Item] | None = None
    """None if they are no models: those inside a `member` may be any JSON."""
    about: str
    """What the items are, a sentence."""
    lists: str = ""
    """What the list shows, a sentence and what to know about it."""
    reads: str = ""
    """What reading one of them gives, a sentence; empty if they are only listed."""
    items: Callable[[Work, str], Sequence[Any]] | None = None
    """All of the owner with this id."""
    page: Callable[[Work, str, str | None, int], Sequence[Item]] | None = None
    """In place of `items`: at most so many, whose keys follow that one."""
    item: Callable[[Work, str, Any], Item] | None = None
    """One of them, by its key; `NotFound`. None if the key stands for several items."""
    find: Callable[[Work, str], tuple[str, str]] | None = None
    """Key and name of an item that a person names, if items are resources: then a command takes
    several, the form of the console one a line, and what is done to them gets a tuple of keys.
    """
    key: str | tuple[str, ...] = "id"
    """The member by which items are named, or the members, which a JSON object then has."""
    named: type[Fields] | None = None
    """In place of `key`, where several members name an item: their model. The first is in the path
    and an argument of commands; the others are query parameters and options.
    """
    member: str = ""
    order: Callable[[Item], str] | None = None
    """The text by which pages are ordered; by default the key, or a digest of what several name."""
    listed: str = ""
    """The list in OpenAPI, if that is not `list_{plural}`."""
    columns: tuple[str, ...] = ()
    """Of the table on the command line."""
    in_words: Callable[[Item], Mapping[str, object]] = lambda _: {}
    """Members as the table has them, where it says them in other words."""
    state: Callable[[Item, datetime], Mapping[str, object]] | None = None
    """What the command line shows besides, at that time."""
    example: str = ""
    """A key, or the options that name an item."""

    @property
    def parameter(self) -> str:
        """The key in paths and forms: `session_id`."""
        if self.named is not None:
            return next(iter(self.named.model_fields))
        if isinstance(self.key, tuple):
            return self.name
        return f"{self.name}_id" if self.key == "id" else self.key

    @property
    def segment(self) -> str:
        """An item in the names of actions."""
        return self.name if self.key else self.plural

    @property
    def field(self) -> str:
        """Several items in forms, and what they are: `users`."""
        return f"{str(self.key).removesuffix('_id')}s"

    def find_all(self, work: Work, texts: Sequence[str]) -> tuple[Key, str]:
        """Keys and names of several items, each once; `NotFound`."""
        assert self.find is not None
        found = dict(self.find(work, text) for text in texts)
        return tuple(found), names_in_words([*found.values()])

    def position(self, item: Item) -> str:
        """Where an item stands in pages."""
        if self.named is not None:
            return hashlib.sha256(item.model_dump_json().encode()).hexdigest()
        return self.order(item) if self.order else str(getattr(item, str(self.key)))

    def path(self, owner_id: str) -> tuple[str, ...]:
        """The items of the owner, below the path of the admin API."""
        return (self.owner.plural, owner_id, self.plural)

    def command(self, verb: str, owner_id: str) -> tuple[str, ...]:
        """The words after `issuer`."""
        name = (self.name,) if self.name else ()
        return (self.owner.noun, *name, verb, owner_id)

    def list_command(self, owner_id: str) -> Command:
        return Command(self.command("list", owner_id), "GET", self.path(owner_id))

    def names_of(self, item: Key) -> dict[str, Any]:
        """The members that name an item, if they are several."""
        if isinstance(item, Fields):
            return item.model_dump(mode="json")
        if not isinstance(self.key, tuple) or not isinstance(item, str) or not item:
            return {}
        members = json.loads(item)
        return {name: members[name] for name in members if name in self.key}

    def in_path(self, item: Key) -> str:
        """What names one item in the path."""
        if isinstance(item, Fields):
            return str(getattr(item, self.parameter))
        return item if isinstance(item, str) else item[0]

    def beside_path(self, item: Key) -> dict[str, Any]:
        """The members that name an item beside what is in the path."""
        names = self.names_of(item)
        return {n: names[n] for n in names if names[n] and n != self.parameter}

    def words(self, item: Key) -> tuple[str, ...]:
        """What names the item on the command line: arguments, options, or both."""
        if isinstance(item, tuple):
            return item
        model: Any = self.named or self.model
        others = self.beside_path(item)
        options = options_of(members_of(model), others) if others else []
        text = self.in_path(item) if self.named or not others else ""
        return (*(["--"] if text.startswith("-") else []), *filter(None, [text]), *options)


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
    examples: tuple[str, ...] = ("",)
    """What may follow the item on the command line."""
    fields: type[Fields] | None = None
    """What else may be given: in the body of the request, or in the query of DELETE; options of the
    command, and the form of the console.
    """
    question: Callable[[Work, About], OperationQuestion] | None = None
    """None for what takes nothing away."""
    run: Callable[..., BaseModel | str | None] | None = None
    """With the id of the owner, the key of the item, `fields`, and `flags` by name; `NotFound`.

    It may return a model, which is the answer, or the key of what was ended.
    """
    patch: Callable[[Any, Any], dict[str, Any]] | None = None
    """In place of `run`, where the items are inside a member of the owner: its merge patch."""
    answers: type[BaseModel] | None = None
    """The model that `run` returns."""
    done: str
    """Sentences, one a line, about the owner `{name}`, the key `{item}`, the members that name it,
    the `{fields}` and the `{answer}`.
    """
    flags: tuple[Flag, ...] = ()
    on_all: bool = False
    is_post: bool = False
    """Whether it is POST `/{plural}/{id}/{part}/{key}/{verb}`, since it does not end the item."""
    adds: bool = False
    """Whether it adds the item, if it is not there: PUT. Only the console asks before."""
    gives_rights: bool = False
    """Whether its owner may get rights at the issuer, so that some of what others gave to it may
    have to be confirmed.
    """
    is_refusable: bool = False
    """Whether the state of things may be against it (`NotAllowed`)."""
    asks_scripts: bool = False
    """Whether a script, too, has to confirm it by `--yes`."""
    cancels: str = ""
    """The verb of what adds the item, whose command does this with the option `--cancel`."""
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
        part = self.part
        return part is None or not (self.on_all or (part.key and part.item is None))

    def target(self, work: Any, owner_id: str, item: Key) -> BaseModel | None:
        """That resource or item, or the owner; `NotFound`, but None for an item to add."""
        target: BaseModel
        if self.part is None or self.part.item is None:
            target = work.collection(self.owner).get(owner_id)
        else:
            try:
                target = self.part.item(work, owner_id, item)
            except NotFound as error:
                if not self.adds or error.kind == self.owner.kind:
                    raise
                return None
        return target

    def do(
        self,
        work: Any,
        owner_id: str,
        item: Key,
        flags: frozenset[str] = frozenset(),
        fields: Fields | None = None,
    ) -> BaseModel | str | None:
        """Do it, with the flags of these names."""
        if self.patch is not None:
            owners = work.collection(self.owner)
            owners.update(owner_id, self.patch(owners.get(owner_id), item))
            return None
        assert self.run is not None
        if self.part and self.part.find and isinstance(item, str):
            item = (item,)
        given = (item, fields) if self.fields else (item,)
        return self.run(work, owner_id, *given, **{f.name: f.name in flags for f in self.flags})

    @property
    def asks(self) -> bool:
        """Whether the command line asks before."""
        return self.question is not None and not self.adds

    def overrides(self, question: OperationQuestion | None) -> frozenset[str]:
        """The flags that a confirmation of the question sets."""
        has_warnings = question is not None and bool(question.warnings)
        return frozenset(f.name for f in self.flags if has_warnings and not f.option)

    def sentence(
        self,
        name: str,
        item: Key,
        answer: BaseModel | str | None = None,
        called: str = "",
        flags: frozenset[str] = frozenset(),
        fields: Fields | None = None,
    ) -> str:
        """What was done, with the flags of these names."""
        names = self.part.names_of(item) if self.part else {}
        item = answer if isinstance(answer, str) else called or item
        said = {**names, "name": name, "item": item, "answer": answer, "fields": fields}
        more = (flag.done for flag in self.flags if flag.name in flags and flag.done)
        return " ".join([self.done, *more]).format(**said)

    def members_of(self, item: Key, fields: Fields | None = None) -> dict[str, Any]:
        """What is known of an item that several members name: these, and what else was given."""
        names = self.part.names_of(item) if self.part else {}
        known = getattr(self.part.model, "model_fields", ()) if self.part and names else ()
        more = fields.model_dump(mode="json") if fields else {}
        return {name: each for name, each in {**names, **more}.items() if name in known}

    @property
    def method(self) -> str:
        if self.patch is not None:
            return "PATCH"
        if self.adds:
            return "PUT"
        return "POST" if self.part is None or self.is_post else "DELETE"

    @property
    def action(self) -> str:
        """In forms of the console: `end-session`."""
        if self.part is None:
            return self.verb
        takes_several = self.on_all or (self.adds and self.part.find)
        return f"{self.verb}-{self.part.plural if takes_several else self.part.segment}"

    @property
    def has_body(self) -> bool:
        """Whether the `fields` are in the body of the request, and not in its query."""
        return self.fields is not None and self.method != "DELETE"

    def path(self, owner_id: str, item: str) -> tuple[str, ...]:
        """Below that of the admin API."""
        if self.patch is not None:
            return (self.owner.plural, owner_id)
        if self.part is None:
            return (self.owner.plural, owner_id, self.verb)
        verb = (self.verb,) if self.is_post else ()
        return (*self.part.path(owner_id), *([item] if item else []), *verb)

    def command(
        self,
        owner_id: str,
        item: Key,
        flags: frozenset[str] = frozenset(),
        patch: Mapping[str, Any] | None = None,
        fields: Fields | None = None,
    ) -> Command:
        """Without a request for several items: the admin API takes one at a time."""
        options = [each.word for each in self.flags if each.name in flags]
        given = fields.model_dump(mode="json", exclude_defaults=True) if fields else {}
        more = options_of(members_of(self.fields), given) if self.fields else ()
        words: tuple[str, ...] = (self.owner.noun, self.verb, owner_id, *options, *more)
        if self.part is not None and self.cancels:
            words = (*self.part.command(self.cancels, owner_id), "--cancel")
        elif self.part is not None:
            command = self.part.command(self.verb, owner_id)
            words = (*command, *options, *self.part.words(item), *more)
        if isinstance(item, tuple) and len(item) > 1:
            return Command(words)
        text = self.part.in_path(item) if self.part else ""
        beside = self.part.beside_path(item) if self.part and self.part.named else {}
        in_query = {**beside, **({} if self.has_body else given)}
        query = {name: "true" if each is True else each for name, each in in_query.items()}
        query |= dict.fromkeys(sorted(flags), "true")
        body = given if self.has_body else None
        return Command(words, self.method, self.path(owner_id, text), patch or body or None, query)
