"""The audit table. Rows are added and read, never changed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from issuer.audit.event import Event
from issuer.database.tables import AuditEventRow


def append(session: Session, events: Iterable[Event]) -> None:
    """Add `events` in one statement."""
    session.execute(insert(AuditEventRow), [_row(event) for event in events])


def matching(
    session: Session, wanted: Mapping[str, Any], before: int | None, limit: int
) -> Sequence[AuditEventRow]:
    """Events that match all that is wanted, newest first."""
    query = select(AuditEventRow).order_by(AuditEventRow.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AuditEventRow.id < before)
    for name in wanted.keys() & {"actor", "action", "target"}:
        query = query.where(getattr(AuditEventRow, name) == wanted[name])
    if "since" in wanted:
        query = query.where(AuditEventRow.at >= wanted["since"])
    if "until" in wanted:
        query = query.where(AuditEventRow.at < wanted["until"])
    return session.scalars(query).all()


def _row(event: Event) -> dict[str, object]:
    return {
        "at": event.at,
        "actor": event.actor.id,
        "action": event.action,
        "target": event.target,
        "outcome": event.outcome.value,
        "reason": event.reason,
        "request_id": event.actor.request_id,
        "address": event.actor.address,
        "count": event.count,
        "details": dict(event.details),
    }
