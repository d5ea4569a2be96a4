"""How many tokens were issued and refused in each hour, counted from the audit events."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel
from sqlalchemy import ColumnElement, delete, func, literal_column, select, update
from sqlalchemy.orm import Session

from issuer.clock import Clock
from issuer.database import Database
from issuer.database.store import as_model, insert_into, rows_changed
from issuer.database.tables import AuditEventRow, TokenCountRow, TokenCountsRow

COUNT_EVERY = timedelta(minutes=1)
KEPT_FOR = timedelta(days=8)
TOKEN_ISSUED, TOKEN_REFUSED = "token.issued", "token.refused"
# Later, all events of a time are written: some are gathered in memory for up to a minute.
_WRITTEN_WITHIN = timedelta(seconds=90)
_HOURS = {  # as text: the databases have no function in common
    "sqlite": "substr(at, 1, 13)",
    "postgresql": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')",
}


class TokenCount(BaseModel):
    """The events of `action` in the hour that begins at `hour`."""

    hour: datetime
    action: str
    count: int


@dataclass(frozen=True)
class TokenCounts:
    """Exact, although every process counts: only one of them adds what it has counted."""

    database: Database
    clock: Clock

    def count(self) -> None:
        """Add the events since the last count; at first, those of the last `KEPT_FOR`."""
        now = self.clock()
        until = now - _WRITTEN_WITHIN
        # Counted outside the transaction that writes, so that no token waits for it.
        with self.database.reading() as session:
            seen = counted_until(session)
            since = max(seen, until - KEPT_FOR)
            if since >= until:
                return
            counts = _by_hour(session, since, until)
        with self.database.transaction() as session:
            if advance(session, seen, until):
                if counts:
                    key, made = ["hour", "action"], insert_into(session, TokenCountRow)
                    added = {"count": TokenCountRow.count + made.excluded.count}
                    made = made.on_conflict_do_update(index_elements=key, set_=added)
                    session.execute(made, counts)
                session.execute(delete(TokenCountRow).where(TokenCountRow.hour < now - KEPT_FOR))

    def since(self, hour: datetime) -> list[TokenCount]:
        """The counts of the hours from `hour` on, the oldest first."""
        query = select(TokenCountRow).where(TokenCountRow.hour >= hour)
        query = query.order_by(TokenCountRow.hour, TokenCountRow.action)
        with self.database.reading() as session:
            return [as_model(TokenCount, row) for row in session.scalars(query)]


def counted_until(session: Session) -> datetime:
    return session.scalars(select(TokenCountsRow.counted_until)).one()


def advance(session: Session, seen: datetime, until: datetime) -> bool:
    """Events before `until` are counted; False if another process was faster."""
    unchanged = update(TokenCountsRow).where(TokenCountsRow.counted_until == seen)
    return rows_changed(session, unchanged.values(counted_until=until)) == 1


def _by_hour(session: Session, since: datetime, until: datetime) -> list[dict[str, object]]:
    """How many events there were in each hour, by action: one range of the index of `at`."""
    hour: ColumnElement[str] = literal_column(_HOURS[session.get_bind().dialect.name])
    query = (
        select(hour, AuditEventRow.action, func.sum(AuditEventRow.count))
        .where(AuditEventRow.at >= since, AuditEventRow.at < until)
        .where(AuditEventRow.action.in_((TOKEN_ISSUED, TOKEN_REFUSED)))
        .group_by(hour, AuditEventRow.action)
    )
    rows = (
        (datetime.strptime(text, "%Y-%m-%d %H").replace(tzinfo=UTC), action, int(count))
        for text, action, count in session.execute(query)
    )
    return [dict(zip(("hour", "action", "count"), row, strict=True)) for row in rows]
