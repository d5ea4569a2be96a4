"""What happened to a client or a user last, for those who may read the audit log."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice

from issuer.audit import AuditEvent
from issuer.web.console.screens.operator import Operator
from issuer.web.words import methods_in_words

READ = "issuer:audit:read"
_READ_AT_MOST = 200
_SHOWN_EVENTS = 10
_SHOWN_SIGN_INS = 20
_BEGAN, _FAILED, _LOCKED = "session.began", "sign_in.failed", "sign_in.locked"


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
    return tuple(map(_as_one, islice(runs, _SHOWN_EVENTS)))


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


@dataclass(frozen=True, slots=True)
class SignInSeen:
    """`result` in words: with what somebody signed in, or why not."""

    event_id: int
    at: datetime
    address: str
    result: str
    is_well: bool
    count: int


def sign_in_history(operator: Operator, user_id: str) -> tuple[SignInSeen, ...] | None:
    """The newest sign-ins on the pages; None without the scope to read the audit log."""
    if not operator.holds(READ):
        return None
    with operator.work(READ) as work:
        events = work.audit_log.about(user_id, _SHOWN_SIGN_INS, (_BEGAN, _FAILED, _LOCKED))
    return tuple(map(_seen, events))


def _seen(event: AuditEvent) -> SignInSeen:
    match event.action:
        case "session.began":
            methods = event.details.get("methods", [])
            result = f"signed in with {methods_in_words(methods)}" if methods else "signed in"
        case "sign_in.locked":
            result = "locked after wrong attempts"
        case _:
            result = f"refused: {event.reason}"
    is_well = event.action == _BEGAN
    return SignInSeen(event.id, event.at, event.address or "", result, is_well, event.count)
