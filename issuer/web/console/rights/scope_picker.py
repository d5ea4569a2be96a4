"""Scopes to choose from: agents, teams and workflows by name, and everything else by what it is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import filterfalse, groupby
from typing import Any

from issuer.audiences import AUDIENCE
from issuer.catalogue import NEWEST, scopes
from issuer.catalogue.entries import POWERFUL
from issuer.catalogue.permissions import in_words
from issuer.composition import UnitOfWork
from issuer.inspection.components import FAMILIES, Components, component_of, names_of
from issuer.roles import Role
from issuer.scopes import AGENT_OS_ADMIN, ISSUER_ADMIN, ISSUER_RESOURCES, InvalidScope, parse
from issuer.web.console.rights.effective_rights import OF_ISSUER, meaning_of
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.picks import Box, Boxes

_MEMBER = "scopes"
_INSPECTED = 50  # audiences
_ROWS = 50  # of a family
_OF_COMPONENTS = ("run", "read")
_NOT_FOUND = "not found"


@dataclass(frozen=True, slots=True)
class PickerRow:
    """What the boxes are about: a component by `name`, all of them, or another resource.

    `warnings` say why some may allow more than they seem to.
    """

    name: str
    boxes: tuple[Box, ...]
    id: str = ""
    note: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PickerGroup:
    """`is_open` where something in it is ticked, or it should be seen at once.

    `more` rows are not shown.
    """

    title: str
    rows: tuple[PickerRow, ...]
    is_open: bool
    more: int = 0

    @property
    def ticked(self) -> int:
        return sum(box.is_ticked for row in self.rows for box in row.boxes)


@dataclass(frozen=True, slots=True)
class ScopePicker:
    """`boxes` are those of all groups. `others` in the field and `added` scopes have none.

    `inspected`: whether the components of any AgentOS are known.
    """

    groups: tuple[PickerGroup, ...]
    boxes: Boxes
    others: tuple[str, ...]
    added: tuple[str, ...]
    inspected: bool


def scopes_to_pick(operator: Operator, values: Mapping[str, str]) -> dict[str, Any]:
    """The `picker` of a form with these values: its `scopes`, and others to `add`.

    What an AgentOS consists of is for those who may see its audience.
    """
    with operator.administration.reading(operator.actor, operator.held) as work:
        inspected = (
            work.inspections.newest_components(_INSPECTED) if operator.holds(AUDIENCE.read) else []
        )
    of_issuer = operator.holds(ISSUER_ADMIN)
    scopes, add = (values.get(name, "").split() for name in ("scopes", "add"))
    return {"picker": scope_picker(inspected, scopes, add, of_issuer=of_issuer)}


def gone_of(operator: Operator, work: UnitOfWork, roles: Sequence[Role]) -> dict[str, list[str]]:
    """By role, its scopes for what is no longer there, for those who may see the audiences."""
    return work.inspections.scopes_not_found(roles) if operator.holds(AUDIENCE.read) else {}


def scope_picker(
    inspected: Sequence[Components],
    typed: Sequence[str],
    added: Sequence[str] = (),
    *,
    of_issuer: bool = False,
) -> ScopePicker:
    """For the scopes that are typed in the form, and those to be added to them.

    With those of the issuer itself if `of_issuer`.
    """
    chosen = _Chosen(typed, added)
    groups = [
        *(_family(family, inspected, chosen) for family in FAMILIES),
        *_others(chosen),
        *(_of_issuer(chosen) if of_issuer else ()),
    ]
    boxes = [box for group in groups for row in group.rows for box in row.boxes]
    ticked = {box.value for box in boxes if box.is_ticked}
    others, more = (tuple(filterfalse(ticked.__contains__, some)) for some in (typed, added))
    return ScopePicker(tuple(groups), Boxes(_MEMBER, tuple(boxes)), others, more, bool(inspected))


class _Chosen:
    """The scopes that are chosen: equal rights count as one, in the way in which they are typed."""

    def __init__(self, typed: Sequence[str], added: Sequence[str]) -> None:
        self._typed = frozenset(typed)
        self._by_right: dict[str, str] = {}
        self.named: dict[str, dict[str, None]] = {family: {} for family in FAMILIES}
        for text in (*typed, *added):
            try:
                self._by_right.setdefault(parse(text).canonical, text)
            except InvalidScope:
                continue
            if names := component_of(text):
                self.named[names[0]][names[1]] = None

    def box(self, scope: str, label: str) -> Box:
        text = self._by_right.get(parse(scope).canonical)
        is_new = text not in self._typed
        return Box(_MEMBER, text or scope, label, text is not None, is_new=is_new)


def _family(family: str, inspected: Sequence[Components], chosen: _Chosen) -> PickerGroup:
    """Every one of them, those that are chosen, then the others by name."""
    names = {id_: name for (of, id_), name in names_of(inspected).items() if of == family}
    ids = [*chosen.named[family]]
    ids += sorted(names.keys() - {*ids}, key=lambda id_: (names[id_].casefold(), id_))
    ids = [id_ for id_ in ids if _is_grantable(family, id_)]
    every = PickerRow(f"Every {family[:-1]}", _boxes(chosen, family, "*"))
    rows = tuple(
        PickerRow(
            names.get(id_, id_),
            _boxes(chosen, family, id_),
            id_,
            _NOT_FOUND if inspected and id_ not in names else "",
        )
        for id_ in ids[:_ROWS]
    )
    more = max(0, len(ids) - _ROWS)
    return PickerGroup(family.capitalize(), (every, *rows), is_open=True, more=more)


def _is_grantable(family: str, id_: str) -> bool:
    """Whether a scope can name it: an AgentOS may have ids that no scope can."""
    return component_of(f"{family}:{id_}:run") == (family, id_)


def _boxes(chosen: _Chosen, family: str, id_: str) -> tuple[Box, ...]:
    middle = "" if id_ == "*" else f":{id_}"
    return tuple(chosen.box(f"{family}{middle}:{do}", do) for do in _OF_COMPONENTS)


def _others(chosen: _Chosen) -> Iterator[PickerGroup]:
    """The other resources of AgentOS, as the page that asks people groups them."""
    others = [e.scope for e in scopes(NEWEST) if e.scope.split(":")[0] not in FAMILIES]
    titles = {scope: in_words([scope])[0].title for scope in others}
    order = [group.title for group in in_words(others)]
    others.sort(key=lambda scope: (order.index(titles[scope]), scope.split(":")[0]))
    for title, some in groupby(others, key=lambda scope: titles[scope]):
        rows = tuple(_rows(list(some), chosen))
        yield PickerGroup(title, rows, _is_any_ticked(rows))


def _rows(some: Sequence[str], chosen: _Chosen) -> Iterator[PickerRow]:
    for resource, of_resource in groupby(some, key=lambda scope: scope.split(":")[0]):
        name = meaning_of(AGENT_OS_ADMIN) if AGENT_OS_ADMIN in some else resource.replace("_", " ")
        in_order = _in_order(of_resource)
        yield PickerRow(
            name.capitalize(),
            tuple(chosen.box(scope, scope.split(":")[-1]) for scope in in_order),
            warnings=tuple(
                f"{scope.split(':')[-1]} {POWERFUL[scope]}"
                for scope in in_order
                if scope in POWERFUL
            ),
        )


def _in_order(some: Iterable[str]) -> list[str]:
    order = ["run", "read", "write", "delete"]
    return sorted(some, key=lambda s: order.index(a) if (a := s.split(":")[-1]) in order else 9)


def _of_issuer(chosen: _Chosen) -> Iterator[PickerGroup]:
    rows = [
        PickerRow(meaning, (chosen.box(scope, scope.split(":")[-1]),))
        for scope, meaning in OF_ISSUER.items()
    ]
    rows += [
        PickerRow(
            name.replace("-", " ").capitalize(),
            tuple(chosen.box(f"issuer:{name}:{do}", do) for do in ("read", "write")),
        )
        for name in ISSUER_RESOURCES
    ]
    yield PickerGroup("This issuer itself", tuple(rows), _is_any_ticked(rows))


def _is_any_ticked(rows: Iterable[PickerRow]) -> bool:
    return any(box.is_ticked for row in rows for box in row.boxes)
