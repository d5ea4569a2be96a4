"""What subjects may do at an audience, as a table: on which agents, teams, workflows, resources."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from issuer.inspection.components import FAMILIES
from issuer.scopes import (
    AGENT_OS_ADMIN,
    ISSUER_ADMIN,
    ISSUER_INTROSPECT,
    ISSUER_RESOURCES,
    ISSUER_SCIM,
    ISSUER_STATUS,
    InvalidScope,
    covered,
    parse,
)
from issuer.web.console.explain.explain import VERBS

_ALL = "*"
_ADMINS = frozenset({AGENT_OS_ADMIN, ISSUER_ADMIN})
_USUAL = dict.fromkeys(FAMILIES, ("run", "read"))
_PARTS = 3
_NO_NAMES: Mapping[tuple[str, str], str] = {}


@dataclass(frozen=True, slots=True)
class MatrixColumn:
    """What cells are about: one agent, team or workflow, all of them (`*`), or another resource.

    `scopes` are what may be held for it, by the action that each allows. `name` is what its
    AgentOS calls it, if that is known.
    """

    resource: str
    id: str
    scopes: Mapping[str, str]
    name: str = ""

    @property
    def group(self) -> str:
        return self.resource.capitalize() if self.resource in FAMILIES else "Other"

    @property
    def label(self) -> str:
        if self.id != _ALL:
            return self.name or self.id
        return f"every {self.resource[:-1]}" if self.resource in FAMILIES else self.resource


@dataclass(frozen=True, slots=True)
class MatrixCell:
    """`actions` that the subject may do there; `all` for an admin. `question` asks why."""

    actions: tuple[str, ...]
    question: str

    @property
    def text(self) -> str:
        return " + ".join(self.actions) or "–"

    @property
    def tint(self) -> str:
        """The class of the stylesheet, by what is most among the actions."""
        if not self.actions:
            return "muted"
        if self.actions == ("read",):
            return "reads"
        return "badge" if {*self.actions} <= {"run", "read"} else "badge attention"


# Those of the issuer's own audience.
OWN_COLUMNS = (
    *(
        MatrixColumn(name, _ALL, {do: f"issuer:{name}:{do}" for do in ("read", "write")})
        for name in ISSUER_RESOURCES
    ),
    MatrixColumn("tokens", _ALL, {"introspect": ISSUER_INTROSPECT}),
    MatrixColumn("status", _ALL, {"read": ISSUER_STATUS}),
    MatrixColumn("scim", _ALL, {"provision": ISSUER_SCIM}),
)


def uncovered(held: Iterable[str]) -> set[str]:
    """The scopes of one subject that no wider one of its own covers."""
    by_right = {parse(scope).canonical: scope for scope in held}
    return {
        scope
        for right, scope in by_right.items()
        if by_right.keys().isdisjoint(parse(scope).covered_by - {right})
    }


def columns_for(
    scopes: Iterable[str], resource: str = "", names: Mapping[tuple[str, str], str] = _NO_NAMES
) -> list[MatrixColumn]:
    """All that `scopes` of an AgentOS name, what has a name there, and every agent, team, workflow.

    With `resource`, only what that names: `agents`, or every agent and one by `agents:web`.
    """
    wanted, _, wanted_id = resource.partition(":")
    ids = {name: {_ALL} for name in FAMILIES}
    actions = {name: {*_USUAL[name]} for name in FAMILIES}
    if wanted:
        ids.setdefault(wanted, {_ALL}).add(wanted_id or _ALL)
        actions.setdefault(wanted, {"read"})
    for name, id_ in names:  # an AgentOS may have ids that no scope can name
        with suppress(InvalidScope):
            parse(_scope(name, id_, "run"))
            ids.setdefault(name, set()).add(id_)
    for name, id_, action in _parts_of(scopes):
        ids.setdefault(name, set()).add(id_)
        actions.setdefault(name, set()).add(action)
    return [
        MatrixColumn(
            name,
            each,
            {do: _scope(name, each, do) for do in _in_order(actions[name])},
            names.get((name, each), ""),
        )
        for name in sorted(ids, key=_place)
        for each in sorted(ids[name], key=lambda id_: (id_ != _ALL, id_))
        if wanted in {"", name} and (each == _ALL or wanted_id in {"", each})
    ]


def partition(
    columns: Sequence[MatrixColumn], held: Iterable[str]
) -> tuple[list[MatrixColumn], list[MatrixColumn]]:
    """Columns to show, and the agents, teams and workflows for which nothing is `held`."""
    allowed = covered(held, [scope for each in columns for scope in each.scopes.values()])
    shown, unused = list[MatrixColumn](), list[MatrixColumn]()
    for each in columns:
        is_unused = each.id != _ALL and allowed.isdisjoint(each.scopes.values())
        (unused if is_unused else shown).append(each)
    return shown, unused


def _parts_of(scopes: Iterable[str]) -> Iterator[list[str]]:
    """Resource, id and action of scopes for one agent, team or workflow, or for all of a kind."""
    for scope in scopes:
        parts = parse(scope).canonical.split(":")
        if len(parts) == _PARTS and (parts[1] == _ALL or parts[0] in FAMILIES):
            yield parts


def cells_for(
    subject: str,
    audience: str,
    held: frozenset[str],
    columns: Sequence[MatrixColumn],
    example_of: Callable[[str], object],
) -> tuple[MatrixCell, ...]:
    """One for each column; `held` are the scopes of the subject at that audience.

    `example_of` a scope is a request that requires it, if there is one.
    """
    asked = [scope for column in columns for scope in column.scopes.values()]
    allowed = covered(held, asked)
    is_admin = bool(held & _ADMINS)
    return tuple(
        MatrixCell(
            ("all",) if is_admin else (found := _allowed_routes(column, allowed)),
            urlencode(
                {"subject": subject, "audience": audience}
                | _question(column, () if is_admin else found, example_of)
            ),
        )
        for column in columns
    )


def groups_of(columns: Iterable[MatrixColumn]) -> tuple[tuple[str, int], ...]:
    """Which columns stand together, and how many they are."""
    return tuple((name, len(list(each))) for name, each in groupby(columns, lambda c: c.group))


def _allowed_routes(column: MatrixColumn, allowed: frozenset[str]) -> tuple[str, ...]:
    return tuple(action for action, scope in column.scopes.items() if scope in allowed)


def _question(
    column: MatrixColumn, actions: Iterable[str], example_of: Callable[[str], object]
) -> dict[str, str]:
    """For Explain: a request that needs the first action that has one; those allowed first."""
    for action in (*actions, *column.scopes):
        if example_of(column.scopes[action]):
            if column.resource in FAMILIES and action in VERBS:
                return {"family": column.resource, "id": column.id, "verb": action}
            return {"scope": column.scopes[action]}
    return {}


def _scope(resource: str, id_: str, action: str) -> str:
    return f"{resource}:{action}" if id_ == _ALL else f"{resource}:{id_}:{action}"


def _place(resource: str) -> tuple[int, str]:
    return FAMILIES.index(resource) if resource in FAMILIES else len(FAMILIES), resource


def _in_order(actions: Iterable[str]) -> list[str]:
    return sorted(actions, key=lambda each: (VERBS.index(each) if each in VERBS else 9, each))
