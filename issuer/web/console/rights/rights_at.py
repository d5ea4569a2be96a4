"""The matrix of rights at an audience: the part that the URL names, and its rows."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from issuer.audiences import Audience
from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.fields.ids import fold_id
from issuer.inspection.components import names_of
from issuer.manifest.rights import RightsSnapshot
from issuer.resources import ResourceType
from issuer.roles import ROLE, Holders
from issuer.scopes import InvalidScope, parse
from issuer.users import USER
from issuer.web.console.rights import matrix
from issuer.web.console.screens.operator import Operator, readable, unreadable
from issuer.web.console.screens.views import MOST_COUNTED, PAGE, Typed, count_text

_NAMES = ("subject", "kind", "resource")
PARAMETERS = (*_NAMES, "after", "column")
_MAX_CHARACTERS = 255
_MAX_DIGITS = 6
_COLUMNS = 12


@dataclass(frozen=True)
class MatrixFilters:
    """`values` as they were given. The part begins after the subject `after`, of `after_kind`.

    `column` is the number of its first column, from 0. `error` is about the resource.
    """

    values: Typed
    after_kind: str
    after: str
    column: int
    error: str

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "MatrixFilters":
        values = {name: query[name].strip()[:_MAX_CHARACTERS] for name in _NAMES if name in query}
        kind, _, after = query.get("after", "").partition(":")
        column = query.get("column", "")
        is_number = column.isascii() and column.isdigit() and len(column) <= _MAX_DIGITS
        error = _error(values.get("resource", ""))
        return cls(Typed(values), kind, after, int(column) if is_number else 0, error)

    @property
    def subject(self) -> str:
        return self.values["subject"]

    @property
    def resource(self) -> str:
        """Empty where it names none."""
        return "" if self.error else self.values["resource"]

    @property
    def is_any(self) -> bool:
        return any(self.values.values())

    def start_in(self, kind: ResourceType[Any, Any]) -> str | None:
        """After which of `kind` the part begins; None: it has none. Clients come before users."""
        if self.values["kind"] not in {"", kind.plural}:
            return None
        if self.after_kind == kind.plural:
            return self.after
        return None if self.after_kind == USER.plural else ""

    def url(self, path: str, **part: str) -> str:
        """The URL of another part with the same filters; of the first one without `part`."""
        query = {name: value for name, value in {**self.values, **part}.items() if value}
        return f"{path}?{urlencode(query)}#rights" if query else f"{path}#rights"


def _error(resource: str) -> str:
    try:
        if resource:
            parse(f"{resource}:read")
    except InvalidScope:
        return "Name a resource such as agents or sessions, or one agent by agents:web."
    return ""


@dataclass(frozen=True, slots=True)
class MatrixSubject:
    """A client or user with rights at the audience."""

    type: ResourceType[Any, Any]
    resource: Any

    @property
    def id(self) -> str:
        return self.type.key_of(self.resource)

    @property
    def name(self) -> str:
        """What people call it."""
        name: str = self.resource.username if self.type is USER else self.id
        return name


@dataclass(frozen=True, slots=True)
class RightsMatrix:
    """`resources` are those named in its rows, for the filter; `unseen` kinds may not be read.

    URLs are empty where there is no such part. `is_cut`: the search found more. `total` says how
    many subjects there are; `covered` columns are left out, since a wider one says the same.
    """

    filters: MatrixFilters
    columns: tuple[matrix.MatrixColumn, ...]
    groups: tuple[tuple[str, int], ...]
    rows: tuple[tuple[MatrixSubject, tuple[matrix.MatrixCell, ...]], ...]
    total: str
    covered: int
    resources: tuple[str, ...]
    kinds: tuple[str, ...]
    unseen: tuple[str, ...]
    is_cut: bool
    first_url: str
    next_url: str
    first_columns_url: str
    next_columns_url: str


def rights_at(
    operator: Operator, work: UnitOfWork, audience: Audience, filters: MatrixFilters, url: str
) -> RightsMatrix:
    """The part of the matrix at `audience` that the URL names; `url` is that of the page."""
    kinds, is_own = readable(operator), audience.id == work.audiences.own_id
    users = work.assignments.users_with_role_at(audience.id)
    found = _subjects(work, kinds, users, audience.id, filters)
    shown, is_more = found[:PAGE], len(found) > PAGE
    held = _scopes_of(work, audience, shown)
    columns, covered = _columns(work, audience, filters.resource, held.values())
    example_of = operator.administration.explainer.example_of
    first = filters.column if filters.column < len(columns) else 0
    some, last = columns[first : first + _COLUMNS], first + _COLUMNS
    after = f"{shown[-1].type.plural}:{shown[-1].id}" if is_more and not filters.subject else ""
    return RightsMatrix(
        filters,
        tuple(some),
        matrix.groups_of(some) if not is_own else (),
        tuple(
            (each, matrix.cells_for(each.id, audience.id, held[each.id], some, example_of))
            for each in sorted(shown, key=lambda each: (each.type is USER, each.name.casefold()))
        ),
        _total(work, kinds, users, audience.id),
        covered,
        tuple(dict.fromkeys(column.resource for column in columns)),
        tuple(each.plural for each in kinds),
        unreadable(operator),
        is_cut=is_more and bool(filters.subject),
        **_urls(filters, url, after, first, last if last < len(columns) else 0),
    )


def _columns(
    work: UnitOfWork, audience: Audience, resource: str, held: Collection[frozenset[str]]
) -> tuple[list[matrix.MatrixColumn], int]:
    """The columns, and how many are left out since a wider one says the same."""
    if audience.id == work.audiences.own_id:
        return [each for each in matrix.OWN_COLUMNS if resource in {"", each.resource}], 0
    components = work.inspections.components_of(audience.id)
    names = names_of([components] if components else [])
    columns = matrix.columns_for(set().union(*map(matrix.uncovered, held)), resource, names)
    return columns, len(matrix.columns_for(set().union(*held), resource)) - len(columns)


def _urls(filters: MatrixFilters, url: str, after: str, first: int, last: int) -> dict[str, str]:
    """The URLs of other parts: rows `after`, columns from `last`, or the first ones of both."""
    part = {"after": f"{filters.after_kind}:{filters.after}"} if filters.after else {}
    return {
        "first_url": filters.url(url) if filters.after else "",
        "next_url": filters.url(url, after=after) if after else "",
        "first_columns_url": filters.url(url, **part) if first else "",
        "next_columns_url": filters.url(url, **part, column=str(last)) if last else "",
    }


def _total(
    work: UnitOfWork, kinds: list[ResourceType[Any, Any]], users: Holders, audience_id: str
) -> str:
    """ "1 client, 10,000+ users"."""
    count_of = {CLIENT: lambda: work.clients.count_at(audience_id, MOST_COUNTED), USER: users.count}
    numbers = [(kind, count_of[kind]()) for kind in kinds]
    return ", ".join(
        f"{count_text(number)} {kind.kind if number == 1 else kind.plural}"
        for kind, number in numbers
    )


def _subjects(
    work: UnitOfWork,
    kinds: list[ResourceType[Any, Any]],
    users: Holders,
    audience_id: str,
    filters: MatrixFilters,
) -> list[MatrixSubject]:
    """One more than a page has, if there are so many."""
    found: list[MatrixSubject] = []
    for kind in kinds:
        start, limit = filters.start_in(kind), PAGE + 1 - len(found)
        if start is not None and limit:
            ids = _ids(work, kind, users, audience_id, filters.subject, start, limit)
            found += _in_order_of(ids, work, kind)
    return found


def _ids(
    work: UnitOfWork,
    kind: ResourceType[Any, Any],
    users: Holders,
    audience_id: str,
    search: str,
    after: str,
    limit: int,
) -> Sequence[str]:
    """Ids of clients that may request its tokens, or users with a role at it or everywhere."""
    if kind is CLIENT:
        if search:
            return work.clients.ids_found_at(audience_id, search, limit)
        return work.clients.ids_at(audience_id, after, limit)
    if search:
        return work.assignments.find_users_with_role_at(audience_id, search, limit)
    return users.first(limit, fold_id(after))


def _in_order_of(
    ids: Sequence[str], work: UnitOfWork, kind: ResourceType[Any, Any]
) -> Iterator[MatrixSubject]:
    by_id = {fold_id(kind.key_of(each)): each for each in work.collection(kind).named(ids)}
    known = (by_id.get(fold_id(each)) for each in ids)
    yield from (MatrixSubject(kind, each) for each in known if each is not None)


def _scopes_of(
    work: UnitOfWork, audience: Audience, subjects: Sequence[MatrixSubject]
) -> Mapping[str, frozenset[str]]:
    """The scopes that each can get in a token for the audience, by its id."""
    held = work.assignments.roles_of_all([each.id for each in subjects])
    there = {
        key: [each for each in roles if each.audience in {None, audience.id}]
        for key, roles in held.items()
    }
    names = {each.role for assignments in there.values() for each in assignments}
    roles = {role.name: role for role in work.collection(ROLE).named(names)}
    rights = RightsSnapshot({audience.id: audience}, roles, work.audiences.own_id)
    return {
        each.id: rights.rights_of(each.resource, there[each.id]).at(audience.id)
        for each in subjects
    }
