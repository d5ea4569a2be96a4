"""The definition of a resource and of its members: every interface follows from it."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, cached_property
from typing import Any, Generic, TypeVar

from issuer.fields.fields import Fields
from issuer.resources.command import Command

FieldsT = TypeVar("FieldsT", bound=Fields)
ModelT = TypeVar("ModelT", bound=Fields)


class Control(StrEnum):
    """What people give: an element of a form, or the values of an option."""

    TEXT = "text"
    LINES = "lines"  # a list without order: one a line, or a repeatable option
    CHOICE = "choice"
    CHOICES = "choices"
    SWITCH = "switch"
    DURATION = "duration"
    END = "end"  # a day, an instant or a duration from now; on the command line also never
    JSON = "json"
    CERTIFICATE = "certificate"
    SECRET = "secret"  # noqa: S105 - a kind of field: what it has is never shown

    @property
    def is_set(self) -> bool:
        """Whether it is a list in which order and repetitions have no meaning."""
        return self in {Control.LINES, Control.CHOICES}


@dataclass(frozen=True)
class ItemText:
    """How people type a JSON object on one line; `read` raises `ValueError` with the reason."""

    read: Callable[[str], object]
    write: Callable[[Any], str]


@dataclass(frozen=True, kw_only=True)
class Member:
    """One member. A member without it is set in ways of its own.

    `label` and `hint` are for forms, `help`, `option` and `metavar` for the command line, where
    the option has the name of the member if none is given; that of a switch has two names.
    """

    label: str
    help: str
    hint: str = ""
    control: Control = Control.TEXT
    option: str = ""
    alias: str = ""
    """Another name of the option."""
    metavar: str | None = None
    values: Iterable[str] = ()
    """The values to choose from."""
    names: str = ""
    """The kind of the resources that it names: `audience`."""
    item: ItemText | None = None
    """What an item is, in a list whose items are no texts."""
    is_private: bool = False
    """Whether the audit log has only its name, without values."""

    def words(self, name: str, value: object, verb: str = "") -> list[str]:
        """The option that gives the member of that name a value; `add` or `remove`, items."""
        option = self.option or f"--{name.replace('_', '-')}"
        if self.control is Control.SWITCH:
            on, _, off = option.partition("/")
            return [on if value else off]
        values = value if isinstance(value, list) else [value]
        if verb:
            option = f"--{verb}{option[1:]}"
        elif not values:
            values = [""]
        return [word for each in values for word in (option, self._text(each))]

    def _text(self, value: Any) -> str:
        if self.item and value:
            return self.item.write(value)
        match value:
            case None:
                return "none" if self.control is Control.DURATION else ""
            case int():
                return f"{value}s"
            case dict():
                return json.dumps(value, ensure_ascii=False)
        return str(value)


@cache
def members_of(model: type[Fields]) -> dict[str, Member]:
    """The described members of a model, in its order."""
    return {
        name: each
        for name, field in model.model_fields.items()
        for each in field.metadata
        if isinstance(each, Member)
    }


def options_of(members: Mapping[str, Member], given: Mapping[str, Any]) -> list[str]:
    """The options of `create` and `update` that give these members."""
    known = ((name, members[name]) for name in given if name in members)
    return [word for name, member in known for word in member.words(name, given[name])]


NAME = Member(label="Name", help="Display name.")
DISABLED = Member(
    label="Disabled",
    help="Refuse it, or accept it again.",
    control=Control.SWITCH,
    option="--disabled/--enabled",
)
LIFETIME = Member(
    label="Token lifetime",
    help="Lifetime of its access tokens, such as 900s, 15m or 24h; none for the default.",
    hint="60s to 24h, such as 900s or 15m; the default if left out",
    control=Control.DURATION,
    metavar="TIME",
)
CLAIMS = Member(
    label="Claims",
    help="Custom claims for its tokens: an object, or @FILE. An update merges them; null removes"
    " one.",
    hint="A JSON object with claims of your own",
    control=Control.JSON,
    metavar="JSON",
    is_private=True,
)
SCOPES = Member(
    label="Scopes",
    help="A scope, such as agents:web:run. Repeatable; '' for none.",
    hint="One a line",
    control=Control.LINES,
    option="--scope",
    metavar="SCOPE",
)


@dataclass(frozen=True)
class ListedMembers:
    """What lists show of each resource beside its own members, read for many at once."""

    model: type[Fields]
    more: Callable[[Any, Sequence[Any]], Iterable[Mapping[str, object]]]
    """The further members of each of the resources, in order, by the unit of work."""


@dataclass(frozen=True)
class ResourceType(Generic[FieldsT, ModelT]):
    """The names and the models of one kind of resource."""

    kind: str
    """In sentences and audit actions: `role`."""
    plural: str
    """In paths, scopes and messages: `roles`."""
    key: str
    """The member that identifies a resource, also the path parameter."""
    fields: type[FieldsT]
    """The members that an operator sets."""
    model: type[ModelT]
    """A stored resource."""
    created: type[ModelT] | None = None
    """A resource just created, if it has members that are shown only then."""
    gives_rights: bool = False
    """Whether it gives rights to clients, whose credentials may have to be confirmed."""
    named_by: str = ""
    """The member by which people know it; the key if left out."""
    fold: Callable[[str], str] = str
    """The form in which these names are compared."""
    deleted_with: Callable[[Any, ModelT], str] = lambda *_: ""
    """What ends with it, by the unit of work, after its name in a question: ` with 2 secrets`."""
    listing: ListedMembers | None = None

    @property
    def listed_model(self) -> type[Fields]:
        """A resource in a list."""
        return self.listing.model if self.listing else self.model

    def listed(self, work: Any, resources: Sequence[ModelT]) -> Sequence[Any]:
        """The resources as lists show them."""
        if self.listing is None:
            return resources
        model, more = self.listing.model, self.listing.more(work, resources)
        both = zip(resources, more, strict=True)
        return [model.model_construct(**{**dict(each), **members}) for each, members in both]

    @property
    def name(self) -> str:
        """In Python and in operation ids: `role`."""
        return self.kind.replace(" ", "_")

    @property
    def noun(self) -> str:
        """On the command line: `trusted-issuer`."""
        return self.kind.replace(" ", "-")

    @property
    def attribute(self) -> str:
        """In Python, where it may have no hyphen: of a unit of work, and in operation ids."""
        return self.plural.replace("-", "_")

    @property
    def read(self) -> str:
        """The scope to read these resources."""
        return f"issuer:{self.plural}:read"

    @property
    def write(self) -> str:
        """The scope to change these resources."""
        return f"issuer:{self.plural}:write"

    @cached_property
    def members(self) -> dict[str, Member]:
        """How people set each member, in the order of the fields."""
        return members_of(self.fields)

    @property
    def private(self) -> frozenset[str]:
        """Members of which the audit log has only the names."""
        return frozenset(name for name, each in self.members.items() if each.is_private)

    def list_command(self) -> Command:
        return Command((self.noun, "list"), "GET", (self.plural,))

    def show_command(self, key: str) -> Command:
        return Command((self.noun, "show", key), "GET", (self.plural, key))

    def create_command(
        self, name: str, members: Mapping[str, Any], options: Iterable[str]
    ) -> Command:
        words = (self.noun, "create", name, *options)
        return Command(words, "POST", (self.plural,), members)

    def update_command(
        self, key: str, patch: Mapping[str, Any], options: Iterable[str] | None = None
    ) -> Command:
        """The `options` do the same as the patch; by default they give its members."""
        options = options_of(self.members, patch) if options is None else options
        words = (self.noun, "update", key, *options)
        return Command(words, "PATCH", (self.plural, key), patch)

    def delete_command(self, key: str, *, cascade: bool) -> Command:
        """With `cascade`, also what uses it."""
        words = (self.noun, "delete", key, *["--cascade"] * cascade)
        query = {"cascade": "true"} if cascade else {}
        return Command(words, "DELETE", (self.plural, key), query=query)

    def key_of(self, resource: Fields) -> str:
        """The id or name of the resource."""
        key: str = getattr(resource, self.key)
        return key

    def name_of(self, resource: Fields) -> str:
        """What people call the resource."""
        name: str = getattr(resource, self.named_by or self.key)
        return name

    def is_named(self, resource: Fields, name: str) -> bool:
        """Whether people call it that, in any form of the name."""
        return self.fold(self.name_of(resource)) == self.fold(name)

    def shown_once(self, created: ModelT) -> dict[str, str]:
        """The members of a resource just created that are never shown again."""
        more = type(created).model_fields.keys() - self.model.model_fields.keys()
        return {name: getattr(created, name) for name in more}
