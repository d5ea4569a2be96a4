"""Used scopes in SQL: one row for each audience, subject, client, scope and day."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select, tuple_

from issuer.database.store import Statements, delete_some, insert_into, insert_new
from issuer.database.tables import ClientAudienceRow, UsedChallengeRow, UsedScopeRow

MOST_OF_DAY = 20_000  # rows of an audience; what exceeds them is counted as OTHERS
_KEY = (UsedScopeRow.subject, UsedScopeRow.client_id, UsedScopeRow.scope)
_ROW_KEY = (UsedScopeRow.audience_id, *_KEY, UsedScopeRow.day)


class UsageKey(NamedTuple):
    """Who needed which scope through which client; a client itself is subject and client."""

    subject: str
    client_id: str
    scope: str


# Also written for a report without counts: on that day, somebody reported.
OTHERS = UsageKey("", "", "")


class UsageStore(Statements):
    """The rows of one table, within one transaction."""

    def is_audience_of(self, client_id: str, audience_id: str) -> bool:
        """Whether the client may request tokens for the audience by its registration."""
        return self.session.get(ClientAudienceRow, (client_id, audience_id)) is not None

    def claim(self, digest: bytes, until: datetime) -> bool:
        """Whether this report was not recorded before; it is remembered `until` then."""
        row = {"digest": digest, "expires_at": until}
        return insert_new(self.session, UsedChallengeRow, row)

    def add(
        self, audience_id: str, day: datetime, counts: Mapping[UsageKey, Sequence[int]]
    ) -> None:
        """Add numbers of allowed and refused requests."""
        values = {
            key: {"allowed": allowed, "refused": refused}
            for key, (allowed, refused) in self._within_bounds(audience_id, day, counts).items()
        }
        where = {"audience_id": audience_id, "day": day}
        rows = [{**where, **key._asdict(), **values[key]} for key in sorted(values)]
        row, made = UsedScopeRow, insert_into(self.session, UsedScopeRow)
        added = {
            "allowed": row.allowed + made.excluded.allowed,
            "refused": row.refused + made.excluded.refused,
        }
        adding = made.on_conflict_do_update(index_elements=_ROW_KEY, set_=added)
        self.session.execute(adding, rows)

    def _within_bounds(
        self, audience_id: str, day: datetime, counts: Mapping[UsageKey, Sequence[int]]
    ) -> Mapping[UsageKey, Sequence[int]]:
        """The counts, those for which the day has no place added to OTHERS."""
        row = UsedScopeRow
        of_day = (row.audience_id == audience_id, row.day == day)
        free = MOST_OF_DAY - (self.session.scalar(select(func.count()).where(*of_day)) or 0)
        if free >= len(counts):
            return counts
        named = select(*_KEY).where(*of_day, tuple_(*_KEY).in_(list(counts)))
        known = {UsageKey(*key) for key in self.session.execute(named)} | {OTHERS}
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
