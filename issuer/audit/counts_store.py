"""The counts of events by hour, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeAlias, cast

from sqlalchemy import ColumnElement, CursorResult, delete, func, literal_column, select, update
from sqlalchemy.orm import Session

from issuer.database.store import insert_into
from issuer.database.tables import AuditEventRow, TokenCountRow, TokenCountsRow

Counts: TypeAlias = Mapping[tuple[datetime, str], int]

_HOURS = {  # as text: the databases have no function in common
    "sqlite": "substr(at, 1, 13)",
    "postgresql": "to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24')",
}


def counted_until(session: Session) -> datetime:
    return session.scalars(select(TokenCountsRow.counted_until)).one()


def by_hour(
    session: Session, actions: Collection[str], since: datetime, until: datetime
) -> dict[tuple[datetime, str], int]:
    """How many events of these actions there were in each hour: one range of the index of `at`."""
    hour: ColumnElement[str] = literal_column(_HOURS[session.get_bind().dialect.name])
    query = (
        select(hour, AuditEventRow.action, func.sum(AuditEventRow.count))
        .where(AuditEventRow.at >= since, AuditEventRow.at < until)
        .where(AuditEventRow.action.in_(actions))
        .group_by(hour, AuditEventRow.action)
    )
    return {
        (datetime.strptime(text, "%Y-%m-%d %H").replace(tzinfo=UTC), action): int(count)
        for text, action, count in session.execute(query)
    }


def advance(session: Session, seen: datetime, until: datetime) -> bool:
    """Events before `until` are counted; False if another process was faster."""
    moved = (
        update(TokenCountsRow)
        .where(TokenCountsRow.counted_until == seen)
        .values(counted_until=until)
    )
    return cast("CursorResult[object]", session.execute(moved)).rowcount == 1


def add(session: Session, counts: Counts) -> None:
    for (hour, action), count in counts.items():
        row = insert_into(session, TokenCountRow).values(hour=hour, action=action, count=count)
        session.execute(
            row.on_conflict_do_update(
                index_elements=["hour", "action"],
                set_={"count": TokenCountRow.count + row.excluded.count},
            )
        )


def delete_before(session: Session, hour: datetime) -> None:
    session.execute(delete(TokenCountRow).where(TokenCountRow.hour < hour))


def since(session: Session, hour: datetime) -> Sequence[TokenCountRow]:
    """The oldest first."""
    query = select(TokenCountRow).where(TokenCountRow.hour >= hour)
    return session.scalars(query.order_by(TokenCountRow.hour, TokenCountRow.action)).all()
