"""The audit table. Rows are added and read, never changed."""

from collections.abc import Iterable

from sqlalchemy import insert
from sqlalchemy.orm import Session

from issuer.audit.event import Event
from issuer.database.tables import AuditEventRow


def append(session: Session, events: Iterable[Event]) -> None:
    """Add `events` in one statement."""
    session.execute(insert(AuditEventRow), [_row(event) for event in events])


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
