"""The matrix of rights at an audience: the part that the URL names, and its rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
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
from issuer.values import lazy_property
from issuer.web.console.rights import matrix
from issuer.web.console.rights.last_use import last_days
from issuer.web.console.screens.operator import Operator, readable, unreadable
from issuer.web.console.screens.views import MOST_COUNTED, PAGE, Typed, count_text

_NAMES = ("subject", "kind", "resource")
PARAMETERS = (*_NAMES, "after", "column")
_MAX_CHARACTERS = 255
_MAX_DIGITS = 6
_COLUMNS = 12
_LISTED = 200


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
    def names_one(self) -> bool:
        """Whether the resource is a single agent, team or workflow."""
        return ":" in self.resource

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
        return self.type.name_of(self.resource)


@dataclass(frozen=True)
class RightsMatrix:
    """The part of the matrix at `audience` that the filters name; `url` is that of the page."""

    operator: Operator
    work: UnitOfWork
    audience: Audience
    filters: MatrixFilters
    url: str

    @lazy_property
    def kinds(self) -> list[ResourceType[Any, Any]]:
        return readable(self.operator)

    @lazy_property
    def users(self) -> Holders:
        """Users with a role at the audience or everywhere."""
        return self.work.assignments.users_with_role_at(self.audience.id)

    @property
    def is_own(self) -> bool:
        return self.audience.id == self.work.audiences.own_id

    def shown(self) -> dict[str, Any]:
        """What the template shows.

        `resources` are those of its rows, for the filter; `unseen` kinds may not be read. URLs are
        empty where there is no such part. `is_cut`: the search found more. `total` says how many
        subjects there are, `last_days` when each was last used there. `covered` columns are left
        out, since a wider one says the same; `unused` ones, since no subject of the page has them.
        """
        filters, found = self.filters, self._subjects()
        shown, is_more = found[:PAGE], len(found) > PAGE
        held = self._scopes_of(shown)
        columns, covered = self._columns(held.values())
        unused: list[matrix.MatrixColumn] = []
        if not filters.names_one:
            columns, unused = matrix.partition(columns, set().union(*held.values()))
        example_of = self.operator.administration.explainer.example_of
        first = filters.column if filters.column < len(columns) else 0
        some, last = columns[first : first + _COLUMNS], first + _COLUMNS
        after = f"{shown[-1].type.plural}:{shown[-1].id}" if is_more and not filters.subject else ""
        return {
            "filters": filters,
            "columns": some,
            "groups": () if self.is_own else matrix.groups_of(some),
            "rows": [
                (each, matrix.cells_for(each.id, self.audience.id, held[each.id], some, example_of))
                for each in sorted(shown, key=lambda it: (it.type is USER, it.name.casefold()))
            ],
            "unused": unused[:_LISTED],
            "unused_in_all": len(unused),
            "last_days": self._last_days(shown),
            "total": self._total(),
            "covered": covered,
            "resources": [*dict.fromkeys(column.resource for column in columns)],
            "kinds": [each.plural for each in self.kinds],
            "unseen": unreadable(self.operator),
            "is_cut": is_more and bool(filters.subject),
            **self._urls(after, first, last if last < len(columns) else 0),
        }

    def _last_days(self, subjects: Sequence[MatrixSubject]) -> Mapping[str, datetime] | None:
        """By id, when each was last used there; None where verifiers do not report, or unseen."""
        found: dict[str, datetime] = {}
        for kind in self.kinds:
            resources = [each.resource for each in subjects if each.type is kind]
            days = last_days(self.operator, self.work, kind, resources, self.audience.id)
            if days is None or self.is_own:
                return None
            found |= days
        return found

    def _columns(self, held: Collection[frozenset[str]]) -> tuple[list[matrix.MatrixColumn], int]:
        """The columns, and how many are left out since a wider one says the same."""
        resource = self.filters.resource
        if self.is_own:
            return [each for each in matrix.OWN_COLUMNS if resource in {"", each.resource}], 0
        components = self.work.inspections.components_of(self.audience.id)
        names = names_of([components] if components else [])
        columns = matrix.columns_for(set().union(*map(matrix.uncovered, held)), resource, names)
        everything = matrix.columns_for(set().union(*held), resource, names)
        return columns, len(everything) - len(columns)

    def _urls(self, after: str, first: int, last: int) -> dict[str, str]:
        """The URLs of other parts: rows `after`, columns from `last`, or the first ones of both."""
        filters, url = self.filters, self.url
        part = {"after": f"{filters.after_kind}:{filters.after}"} if filters.after else {}
        return {
            "first_url": filters.url(url) if filters.after else "",
            "next_url": filters.url(url, after=after) if after else "",
            "first_columns_url": filters.url(url, **part) if first else "",
            "next_columns_url": filters.url(url, **part, column=str(last)) if last else "",
        }

    def _total(self) -> str:
        """ "1 client, 10,000+ users"."""
        at, count_at = self.audience.id, self.work.clients.count_at
        count_of = {CLIENT: lambda: count_at(at, MOST_COUNTED), USER: self.users.count}
        numbers = [(kind, count_of[kind]()) for kind in self.kinds]
        return ", ".join(
            f"{count_text(number)} {kind.kind if number == 1 else kind.plural}"
            for kind, number in numbers
        )

    def _subjects(self) -> list[MatrixSubject]:
        """One more than a page has, if there are so many."""
        found: list[MatrixSubject] = []
        for kind in self.kinds:
            start, limit = self.filters.start_in(kind), PAGE + 1 - len(found)
            if start is not None and limit:
                ids = self._ids(kind, start, limit)
                named = self.work.collection(kind).named(ids)
                by_id = {fold_id(kind.key_of(each)): each for each in named}
                known = (by_id.get(fold_id(each)) for each in ids)
                found += [MatrixSubject(kind, each) for each in known if each is not None]
        return found

    def _ids(self, kind: ResourceType[Any, Any], after: str, limit: int) -> Sequence[str]:
        """Ids of clients that may request its tokens, or users with a role at it or everywhere."""
        work, audience_id, search = self.work, self.audience.id, self.filters.subject
        if kind is CLIENT:
            if search:
                return work.clients.ids_found_at(audience_id, search, limit)
            return work.clients.ids_at(audience_id, after, limit)
        if search:
            return work.assignments.find_users_with_role_at(audience_id, search, limit)
        return self.users.first(limit, fold_id(after))

    def _scopes_of(self, subjects: Sequence[MatrixSubject]) -> Mapping[str, frozenset[str]]:
        """The scopes that each can get in a token for the audience, by its id."""
        work, at = self.work, self.audience.id
        held = work.assignments.roles_of_all([each.id for each in subjects])
        there = {
            key: [each for each in roles if each.audience in {None, at}]
            for key, roles in held.items()
        }
        names = {each.role for assignments in there.values() for each in assignments}
        roles = {role.name: role for role in work.collection(ROLE).named(names)}
        rights = RightsSnapshot({at: self.audience}, roles, work.audiences.own_id)
        return {it.id: rights.rights_of(it.resource, there[it.id]).at(at) for it in subjects}
