"""How people type resources, as the members of the type say."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic

from pydantic.fields import FieldInfo

from issuer.audiences import AUDIENCE
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.fields.fields import Fields
from issuer.fields.times import in_seconds, instant_from
from issuer.resources.resource_type import (
    Control,
    FieldsT,
    ItemText,
    Member,
    ModelT,
    ResourceType,
    members_of,
    options_of,
)
from issuer.settings import Settings
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.picks import FOUND, MOST, boxes_of

_SECONDS = re.compile(r"[0-9]{1,9}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SHOWN_KEYS, _LIKE = 100, 20
ALLOW = "allow_unknown_scopes"


def read_json(name: str, text: str, empty: object = None) -> object:
    """The value of the field `name`, which is checked with the others; `empty` if it is empty."""
    try:
        return json.loads(text) if text.strip() else empty
    except (ValueError, RecursionError):
        raise InvalidField(name, "is not JSON") from None


def json_text(value: object) -> str:
    """The value as `read_json` reads it; empty for nothing."""
    return json.dumps(value, ensure_ascii=False, indent=1) if value else ""


def allow_if_ticked(work: UnitOfWork, form: Mapping[str, str]) -> None:
    """Allow misspelled scopes if the form says so: its box appears once they were refused."""
    if form.get(ALLOW) == "yes":
        work.allow_unknown_scopes()


def field_errors(error: InvalidField, within: str = "") -> dict[str, str]:
    """The first problem of each field; of a list, with the number of the line.

    The members of the object `within` the resource have fields of their own.
    """
    errors: dict[str, str] = {}
    for name, message in error.problems:
        field, _, line = name.removeprefix(f"{within}.").partition(".")
        text = f"Line {int(line) + 1}: {message}" if line.isdigit() else message
        errors.setdefault(field, text)
    return errors


@dataclass(frozen=True, slots=True)
class NameChoices:
    """Names to choose from: all there are, or those like a text; the list at `path` suggests more.

    `only` is the one AgentOS, among audiences.
    """

    names: tuple[str, ...] = ()
    is_all: bool = False
    path: str = ""
    only: str = ""


def choices_of(
    operator: Operator,
    work: UnitOfWork,
    resource_type: ResourceType[Any, Any],
    like: str = "",
    most: int = _SHOWN_KEYS,
) -> NameChoices:
    """Names of all resources of a type, or of those `like` a text where there are more than `most`.

    None without the scope to read them: they can be typed.
    """
    if not operator.holds(resource_type.read):
        return NameChoices()
    collection, path = work.collection(resource_type), f"/console/{resource_type.plural}"
    found = collection.page(None, most + 1)
    is_all = len(found) <= most
    if not is_all:
        found = collection.like(like, _LIKE) if like else []
    names = tuple(map(resource_type.name_of, found))
    others = [each for each in names if each != work.audiences.own_id]
    is_only = is_all and resource_type is AUDIENCE and len(others) == 1
    return NameChoices(names, is_all, path, others[0] if is_only else "")


def names_to_pick(
    operator: Operator,
    values: Mapping[str, str],
    *types: ResourceType[Any, Any],
    most: int = MOST,
) -> dict[str, Any]:
    """The `picks` of a form with these values, for members named as the plurals of these types.

    What was looked for and is no name is looked up, and not chosen. The only AgentOS is chosen in
    a form that nobody has sent yet.
    """
    picks = {}
    with operator.administration.reading(operator.actor, operator.held) as work:
        for each in types:
            like = values.get(f"{FOUND} {each.plural}", "").strip()
            known = choices_of(operator, work, each, like, most)
            typed = values.get(each.plural, "" if "form" in values else known.only)
            if like and like not in known.names:
                typed = "\n".join(name for name in typed.splitlines() if name != like)
            more = "" if known.is_all else known.path
            picks[each.plural] = boxes_of(each.plural, known.names, typed, more)
    return {"picks": picks}


class ResourceForm(Generic[FieldsT, ModelT]):
    """Forms have every member of `type` but the key, which only new resources are given.

    `disabled`, what is LEFT_OUT, and what has no `Member`, is changed in other ways. Subclasses
    override what forms of the type have in another way. A form for a change claims the members that
    it shows, in the field `members`: the others stay as they are.
    """

    LEFT_OUT: ClassVar[set[str]] = set()
    WITHIN: ClassVar[str] = ""  # the member with fields of its own
    MEMBERS_WITHIN: ClassVar[Mapping[str, Member]] = {}  # those fields

    def __init__(self, type_: ResourceType[FieldsT, ModelT]) -> None:
        self.type = type_
        left_out = {type_.key, "disabled", *self.LEFT_OUT}
        self.members = {n: each for n, each in type_.members.items() if n not in left_out}
        fields = {**self.members, **self.MEMBERS_WITHIN}
        self.secrets = {n for n, each in fields.items() if each.control is Control.SECRET}

    def read(self, form: Mapping[str, str], resource: ModelT | None = None) -> FieldsT:
        """What a form gives, for a new resource or a change of one; `InvalidField`."""
        return self.type.fields.read({**self.kept(form, resource), **self.given(form, resource)})

    def kept(self, form: Mapping[str, str], resource: ModelT | None) -> dict[str, Any]:
        """The members that the form does not change; of a new resource the key."""
        if resource is None:
            key = self.type.key
            field = self.type.fields.model_fields[key]
            return {key: _value_of(key, self.type.members[key], field, form)}
        names = self.type.fields.model_fields.keys() - self.members.keys()
        return resource.model_dump(mode="json", include=set(names))

    def given(self, form: Mapping[str, str], resource: ModelT | None) -> dict[str, Any]:
        return given_members(self.type.fields, self.members, form, resource)

    def typed(self, resource: ModelT) -> dict[str, str]:
        """The fields of the form for a change, for the resource as it is."""
        return as_typed(self.members, resource)

    def errors(self, error: InvalidField) -> dict[str, str]:
        """What is wrong, by field."""
        return field_errors(error, self.WITHIN)

    def choices(self, settings: Settings) -> Mapping[str, Sequence[Any]]:
        """The values to choose from, by name, where not all that a member may have are offered."""
        return {}

    def options(self, given: Mapping[str, Any]) -> list[str]:
        """The options of the command line that give these members."""
        return options_of(self.type.members, given)


def given_members(
    model: type[Fields], members: Mapping[str, Member], form: Mapping[str, str], now: Fields | None
) -> dict[str, Any]:
    """The members that were typed; of those that are `now`, what the form does not claim stays."""
    if now is None or "members" not in form:
        return typed_members(model, members, form)
    names = {*form, *form["members"].split()}
    claimed = {name: each for name, each in members.items() if name in names}
    kept = now.model_dump(mode="json", include=members.keys() - claimed)
    return typed_members(model, claimed, form) | kept


def typed_members(
    model: type[Fields], members: Mapping[str, Member], form: Mapping[str, str]
) -> dict[str, Any]:
    """The members of a resource, or of an object in it, that were typed."""
    fields = model.model_fields
    return {name: _value_of(name, each, fields[name], form) for name, each in members.items()}


def read_typed(model: type[ModelT], form: Mapping[str, str], now: datetime) -> ModelT:
    """The object of the members that were typed, of which ends may be a time from `now`."""
    typed = typed_members(model, members_of(model), form)
    for name, member in members_of(model).items():
        if member.control is Control.END and typed[name]:
            try:
                typed[name] = instant_from(typed[name], now)
            except ValueError as error:
                raise InvalidField(name, str(error)) from None
    return model.read({name: value for name, value in typed.items() if value})


def as_typed(members: Mapping[str, Member], values: Fields) -> dict[str, str]:
    """The fields of a form that give these members as they are. What is secret stays empty."""
    typed: dict[str, str] = {}
    for name, each in members.items():
        if each.control is not Control.SECRET:
            typed |= _as_typed(name, each, getattr(values, name))
    return typed


def _value_of(name: str, member: Member, field: FieldInfo, form: Mapping[str, str]) -> object:
    text = form.get(name, "").strip()
    nothing = field.default if not field.is_required() and not field.default else ""
    match member.control:
        case Control.LINES:
            return _items(name, member.item, text)
        case Control.CHOICES:
            return [str(each) for each in member.values if each in form]
        case Control.SWITCH:
            return name in form
        case Control.END if _DAY.fullmatch(text):
            text = f"{text}T00:00:00Z"
        case Control.DURATION:
            return int(text) if _SECONDS.fullmatch(text) else text or None
        case Control.JSON:
            return read_json(name, text, nothing)
    return text or nothing


def _items(name: str, item: ItemText | None, text: str) -> list[object]:
    if item is None:
        return [*text.split()]
    items: list[object] = []
    for number, line in enumerate(filter(str.strip, text.splitlines())):
        try:
            items.append(item.read(line.strip()))
        except ValueError as error:
            raise InvalidField(f"{name}.{number}", str(error)) from None
    return items


def _as_typed(name: str, member: Member, value: Any) -> dict[str, str]:
    match member.control:
        case Control.LINES:
            item = member.item
            texts = (item.write(each.model_dump(mode="json")) if item else each for each in value)
            return {name: "\n".join(texts)}
        case Control.CHOICES:
            return {str(each): "yes" for each in value}
        case Control.SWITCH:
            return {name: "yes"} if value else {}
        case Control.DURATION:
            return {name: f"{in_seconds(value)}s" if value else ""}
        case Control.JSON:
            return {name: json_text(value)}
    return {name: str(value or "").strip()}
