"""What happened to a client or a user last, for those who may read the audit log."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from issuer.audit import AuditEvent
from issuer.web.console.endpoint import Operator

READ = "issuer:audit:read"
_READ_AT_MOST = 200
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class RecentEvents:
    """Equal events that follow each other: the newest of them, and how many."""

    at: datetime
    action: str
    actor: str
    outcome: str
    reason: str
    address: str
    count: int


def recent_events(operator: Operator, target: str) -> tuple[RecentEvents, ...] | None:
    """The newest events of exactly this target; None without the scope to read the audit log."""
    if not operator.holds(READ):
        return None
    with operator.work(READ) as work:
        events = work.audit_log.about(target, _READ_AT_MOST)
    # A service asks for a token every few minutes: one line says so.
    runs = (list(equal) for _, equal in groupby(events, _what))
    return tuple(map(_as_one, islice(runs, _SHOWN)))


def _what(event: AuditEvent) -> tuple[str | None, ...]:
    return event.action, event.actor, event.outcome, event.reason, event.address


def _as_one(events: list[AuditEvent]) -> RecentEvents:
    newest = events[0]
    return RecentEvents(
        newest.at,
        newest.action,
        newest.actor or "",
        newest.outcome,
        newest.reason or "",
        newest.address or "",
        sum(event.count for event in events),
    )
