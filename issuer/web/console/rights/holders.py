"""Who has a role: a page of clients and users, of those that the operator may see."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.fields.ids import fold_id
from issuer.resources import ResourceType
from issuer.roles import Assignment
from issuer.users import USER
from issuer.web.console.screens.operator import Operator, readable
from issuer.web.console.screens.views import MOST_COUNTED, PAGE, counted

_PLACES = 5


@dataclass(frozen=True, slots=True)
class Holder:
    """A client or user; `more` assignments of the role are not among `places`."""

    kind: str
    id: str
    name: str
    disabled: bool
    places: tuple[Assignment, ...]
    more: int


@dataclass(frozen=True, slots=True)
class Holders:
    """`count` of all in words; `unseen` are the kinds that the operator may not read."""

    items: tuple[Holder, ...]
    count: str
    unseen: tuple[str, ...]
    next_url: str = ""
    first_url: str = ""


def holders(operator: Operator, work: UnitOfWork, role: str, after: str, url: str) -> Holders:
    ids = work.assignments.holders(role, fold_id(after), PAGE + 1)
    shown, kinds = ids[:PAGE], readable(operator)
    number = work.assignments.count_holders(role, MOST_COUNTED)
    items = [each for kind in kinds for each in _of_kind(work, kind, role, shown)]
    return Holders(
        tuple(sorted(items, key=lambda each: fold_id(each.id))),
        counted(number),
        tuple(each.plural for each in (CLIENT, USER) if each not in kinds),
        f"{url}?{urlencode({'after': shown[-1]})}" if len(ids) > PAGE else "",
        url if after else "",
    )


def _of_kind(
    work: UnitOfWork, kind: ResourceType[Any, Any], role: str, ids: Sequence[str]
) -> list[Holder]:
    found = {fold_id(kind.key_of(each)): each for each in work.collection(kind).named(ids)}
    places = _places(work.assignments.of_each(list(found)), role)
    return [_holder(kind, found[key], places[key]) for key in found]


def _places(
    assigned: Mapping[str, Sequence[Assignment]], role: str
) -> Mapping[str, list[Assignment]]:
    places: dict[str, list[Assignment]] = defaultdict(list)
    for key, assignments in assigned.items():
        places[key] = [each for each in assignments if each.role == role]
    return places


def _holder(kind: ResourceType[Any, Any], principal: Any, places: list[Assignment]) -> Holder:
    key = kind.key_of(principal)
    name = principal.username if kind is USER else principal.name or key
    ordered = sorted(places, key=lambda each: each.audience or "")
    more = max(0, len(ordered) - _PLACES)
    return Holder(kind.kind, key, name, principal.disabled, tuple(ordered[:_PLACES]), more)
