"""What a reader that follows the audit log asks the database."""

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from issuer.audit.audit_log import AuditEvent, event_of
from issuer.audit.store import last_id
from issuer.database.tables import AuditEventRow

_PAGE = 500

# A transaction that has taken an id holds this lock on the sequence until it ends.
_WRITERS = text(
    "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE array("
    " SELECT virtualtransaction FROM pg_locks"
    " WHERE relation = CAST(pg_get_serial_sequence('audit_events', 'id') AS regclass)"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND mode = 'RowExclusiveLock'"
    ") END"
)


def last_id_and_writers(session: Session) -> tuple[int, frozenset[str] | None]:
    """The id of the newest event, and then which open transactions have taken ids.

    None instead of these for a standby, which does not know them. On SQLite there are none: only
    one transaction writes at a time, and it takes its ids then.
    """
    last = last_id(session)
    if session.get_bind().dialect.name == "sqlite":
        return last, frozenset()
    writers = session.scalars(_WRITERS).one()
    return last, None if writers is None else frozenset(writers)


def after(session: Session, event_id: int) -> list[AuditEvent]:
    """The next events after this id, at most a page."""
    query = select(AuditEventRow).where(AuditEventRow.id > event_id)
    return [event_of(row) for row in session.scalars(query.order_by(AuditEventRow.id).limit(_PAGE))]


def id_at(session: Session, at: datetime) -> int:
    """The id of the newest event before this time; 0 if there is none."""
    query = select(AuditEventRow.id).where(AuditEventRow.at < at)
    return session.scalars(query.order_by(AuditEventRow.at.desc()).limit(1)).first() or 0
