"""Used scopes in SQL: one row for each audience, subject, client, scope and day."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from itertools import filterfalse
from typing import NamedTuple, TypeAlias

from sqlalchemy import ColumnElement, exists, func, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, aliased

from issuer.database.store import Statements, delete_some, insert_into, insert_new
from issuer.database.tables import (
    ClientAudienceRow,
    ClientRow,
    UsedChallengeRow,
    UsedRoleRow,
    UsedScopeRow,
    UserRow,
)

MOST_OF_DAY = 20_000  # rows of an audience; what exceeds them is counted as OTHERS
MOST_REPORTS_OF_DAY = 300_000  # of an audience; further ones are counted as OTHERS
MOST_IDS_OF_SUBJECT = 500  # rows of a day; further ones count for the scope without an id
_KEY = (UsedScopeRow.subject, UsedScopeRow.client_id, UsedScopeRow.scope)
_ROW_KEY = (UsedScopeRow.audience_id, *_KEY, UsedScopeRow.day)


class UsageKey(NamedTuple):
    """Who needed which scope through which client; a client itself is subject and client."""

    subject: str
    client_id: str
    scope: str

    @property
    def has_id(self) -> bool:
        """Whether the scope is one of a single agent, such as `agents:web:run`."""
        is_narrow = self.scope.count(":") > 1 and ":*:" not in self.scope
        return is_narrow and not self.scope.startswith("issuer:")

    @property
    def without_id(self) -> "UsageKey":
        """For the scope that covers all agents, such as `agents:run`.

        Reading is `agents:*:read`: `agents:read` is what lists need (`issuer.review.exchanges`).
        """
        family, *_, action = self.scope.split(":")
        scope = f"{family}:*:read" if action == "read" else f"{family}:{action}"
        return self._replace(scope=scope)


# Every report is counted in its row, also one without counts: on that day, somebody reported.
OTHERS = UsageKey("", "", "")
_Counts: TypeAlias = Mapping[UsageKey, Sequence[int]]
_OfDay: TypeAlias = tuple[ColumnElement[bool], ...]


class UsageStore(Statements):
    """The rows of one table, within one transaction."""

    def is_audience_of(self, client_id: str, audience_id: str) -> bool:
        """Whether the client may request tokens for the audience by its registration."""
        return self.session.get(ClientAudienceRow, (client_id, audience_id)) is not None

    def claim(self, digest: bytes, until: datetime) -> bool:
        """Whether this report was not recorded before; it is remembered `until` then."""
        row = {"digest": digest, "expires_at": until}
        return insert_new(self.session, UsedChallengeRow, row)

    def count_report(self, audience_id: str, day: datetime) -> int:
        """How many reports of the audience there were on the day, with this one.

        Others of the day wait until this transaction ends, so that no two use the same free place.
        """
        row, key = UsedScopeRow, {"audience_id": audience_id, "day": day, **OTHERS._asdict()}
        made, more = insert_into(self.session, row), {"reports": row.reports + 1}
        counting = made.on_conflict_do_update(index_elements=_ROW_KEY, set_=more)
        self.session.execute(counting, {**key, "allowed": 0, "refused": 0, "reports": 1})
        return self.session.scalar(select(row.reports).filter_by(**key)) or 0

    def add(self, audience_id: str, day: datetime, counts: _Counts) -> None:
        """Add numbers of allowed and refused requests, after `count_report`."""
        row, made = UsedScopeRow, insert_into(self.session, UsedScopeRow)
        of_day = (row.audience_id == audience_id, row.day == day)
        bounded = self._within_bounds(of_day, self._with_few_ids(of_day, counts))
        where, names = {"audience_id": audience_id, "day": day}, ("allowed", "refused")
        rows = [
            {**where, **key._asdict(), **dict(zip(names, bounded[key], strict=True))}
            for key in sorted(bounded)
        ]
        added = {name: getattr(row, name) + made.excluded[name] for name in names}
        adding = made.on_conflict_do_update(index_elements=_ROW_KEY, set_=added)
        self.session.execute(adding, rows)

    def requests_since(self, day: datetime, audience_ids: Collection[str]) -> dict[str, int]:
        """By audience, how many requests were counted on `day` and later; some have none."""
        row = UsedScopeRow
        query = select(row.audience_id, func.sum(row.allowed + row.refused)).where(row.day >= day)
        query = query.where(row.audience_id.in_(audience_ids)).group_by(row.audience_id)
        return {audience: int(number) for audience, number in self.session.execute(query)}

    def last_days(self, audience_ids: Collection[str]) -> dict[str, datetime]:
        """By audience, the last day with a request; some have none."""
        day, used = aliased(UsedScopeRow), UsedScopeRow
        is_used = exists().where(used.day == day.day, used.audience_id == day.audience_id)
        is_used = is_used.where(used.allowed + used.refused > 0)
        # The days with reports are few, and each has a row without a name.
        is_day = tuple_(day.subject, day.client_id, day.scope) == OTHERS
        query = select(day.audience_id, func.max(day.day)).where(is_day, is_used)
        query = query.where(day.audience_id.in_(audience_ids)).group_by(day.audience_id)
        return dict(self.session.execute(query).all())

    def last_days_of_users(
        self, ids: Collection[str], audience_id: str = ""
    ) -> dict[str, datetime]:
        """By user, the last day with an allowed request, there or anywhere; some have none."""
        return self._last_days(UserRow.id, UsedScopeRow.subject, ids, audience_id)

    def last_days_of_clients(
        self, ids: Collection[str], audience_id: str = ""
    ) -> dict[str, datetime]:
        """By client, the last day with an allowed request, its own or of a user through it."""
        return self._last_days(ClientRow.client_id, UsedScopeRow.client_id, ids, audience_id)

    def _last_days(
        self,
        key: InstrumentedAttribute[str],
        by: InstrumentedAttribute[str],
        ids: Collection[str],
        audience_id: str,
    ) -> dict[str, datetime]:
        # From the end of the index for each: somebody may have thousands of rows.
        row = UsedScopeRow
        newest = select(row.day).where(by == key, row.allowed > 0).order_by(row.day.desc())
        if audience_id:
            newest = newest.where(row.audience_id == audience_id)
        query = select(key, newest.limit(1).correlate(key.class_).scalar_subquery())
        found = self.session.execute(query.where(key.in_(ids)))
        return {each: day for each, day in found if day is not None}

    def last_days_of_roles(self, names: Collection[str]) -> dict[str, datetime]:
        """By role, the last day with a request that it allowed; some have none."""
        query = select(UsedRoleRow.role_name, UsedRoleRow.day)
        return dict(self.session.execute(query.where(UsedRoleRow.role_name.in_(names))).all())

    def note_roles(self, names: Collection[str], day: datetime) -> None:
        """These roles were used on the day."""
        made = insert_into(self.session, UsedRoleRow)
        noting = made.on_conflict_do_update(
            index_elements=[UsedRoleRow.role_name],
            set_={"day": made.excluded.day},
            where=UsedRoleRow.day < made.excluded.day,
        )
        rows = [{"role_name": name, "day": day} for name in sorted(names)]
        if rows:
            self.session.execute(noting, rows)

    def not_allowed_yet(
        self, audience_id: str, day: datetime, keys: Collection[UsageKey]
    ) -> set[UsageKey]:
        """Which of these had no allowed request on the day so far."""
        row = UsedScopeRow
        of_day = (row.audience_id == audience_id, row.day == day, row.allowed > 0)
        return {*keys} - self._existing(of_day, keys)

    def _with_few_ids(self, of_day: _OfDay, counts: _Counts) -> _Counts:
        """The counts, those of a subject beyond its bound added to the scopes without ids.

        Callers can invent ids, and none may use up the rows of a day alone.
        """
        named: dict[str, list[UsageKey]] = defaultdict(list)
        for key in sorted(counts):
            if key.has_id:
                named[key.subject].append(key)
        free = self._free_places(of_day, named)
        keys = [key for name, some in named.items() if len(some) > free[name] for key in some]
        if not keys:
            return counts
        found = dict(counts)
        for key in filterfalse(self._existing(of_day, keys).__contains__, keys):
            free[key.subject] -= 1
            if free[key.subject] < 0:
                numbers = zip(found.get(key.without_id, (0, 0)), found.pop(key), strict=True)
                found[key.without_id] = [a + b for a, b in numbers]
        return found

    def _free_places(self, of_day: _OfDay, subjects: Collection[str]) -> dict[str, int]:
        free = dict.fromkeys(subjects, MOST_IDS_OF_SUBJECT)
        if subjects:
            row = UsedScopeRow
            where = (*of_day, row.subject.in_(subjects), row.scope.like("%:%:%"))
            stored = select(row.subject, func.count()).where(*where).group_by(row.subject)
            free |= {name: MOST_IDS_OF_SUBJECT - n for name, n in self.session.execute(stored)}
        return free

    def _existing(self, of_day: _OfDay, keys: Iterable[UsageKey]) -> set[UsageKey]:
        stored = select(*_KEY).where(*of_day, tuple_(*_KEY).in_(list(keys)))
        return {UsageKey(*key) for key in self.session.execute(stored)}

    def _within_bounds(self, of_day: _OfDay, counts: _Counts) -> _Counts:
        """The counts, those for which the day has no place added to OTHERS."""
        free = MOST_OF_DAY - (self.session.scalar(select(func.count()).where(*of_day)) or 0)
        if free >= len(counts):
            return counts
        known = self._existing(of_day, counts) | {OTHERS}
        kept: dict[UsageKey, Sequence[int]] = {key: counts[key] for key in counts.keys() & known}
        others = list(counts[OTHERS])
        for key in sorted(counts.keys() - known):
            if free > 0:
                free -= 1
                kept[key] = counts[key]
            else:
                others = [a + b for a, b in zip(others, counts[key], strict=True)]
        return {**kept, OTHERS: others}

    def delete_before(self, day: datetime) -> int:
        """Delete some rows of earlier days; how many."""
        return delete_some(self.session, UsedScopeRow, UsedScopeRow.day < day)
