"""Audit events in words, for those who may read the audit log; and what happened to whom last."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, islice

from issuer.audit import AuditEvent
from issuer.audit.sentences import Part, principals_of, sentence
from issuer.composition import UnitOfWork
from issuer.fields.text import escape
from issuer.groups import GROUP
from issuer.web.console.screens.operator import Operator, readable
from issuer.web.words import methods_in_words

READ = "issuer:audit:read"
_READ_AT_MOST = 200
_SHOWN_EVENTS = 10
_SHOWN_SIGN_INS = 20
_BEGAN, _FAILED, _LOCKED = "session.began", "sign_in.failed", "sign_in.locked"


@dataclass(frozen=True, slots=True)
class EventInWords:
    """An event, and its sentence in `parts`. So many equal ones followed each other: `count`."""

    event: AuditEvent
    parts: Sequence[Part]
    count: int = 1

    @property
    def text(self) -> str:
        """The sentence on one line."""
        return escape("".join(part.text for part in self.parts))


def in_words(
    operator: Operator, work: UnitOfWork, events: Iterable[AuditEvent]
) -> list[EventInWords]:
    """The events in words, with the names of what the operator may read."""
    events = list(events)
    ids = {each for event in events for each in principals_of(event)}
    names = work.audit_log.names(ids, [kind.name for kind in readable(operator, GROUP)])
    return [EventInWords(each, sentence(each, names)) for each in events]


def recent_events(operator: Operator, target: str) -> list[EventInWords] | None:
    """The newest events of exactly this target; None without the scope to read the audit log.

    Of equal events that follow each other the newest, and how many they are.
    """
    if not operator.holds(READ):
        return None
    with operator.work(READ) as work:
        events = work.audit_log.about(target, _READ_AT_MOST)
        # A service asks for a token every few minutes: one line says so.
        all_runs = (list(equal) for _, equal in groupby(events, _what))
        runs = list(islice(all_runs, _SHOWN_EVENTS))
        newest = [run[0].model_copy(update={"count": 1}) for run in runs]
        told = in_words(operator, work, newest)
    counts = (sum(each.count for each in run) for run in runs)
    return [replace(each, count=count) for each, count in zip(told, counts, strict=True)]


def _what(event: AuditEvent) -> tuple[object, ...]:
    """What its row says, but for when, how often, and the names of principals."""
    parts = sentence(event.model_copy(update={"count": 1}), {})
    return parts, event.outcome, event.address


def sign_in_history(operator: Operator, user_id: str) -> list[tuple[AuditEvent, str]] | None:
    """The newest sign-ins on the pages, with their results in words; None without the scope."""
    if not operator.holds(READ):
        return None
    with operator.work(READ) as work:
        events = work.audit_log.about(user_id, _SHOWN_SIGN_INS, (_BEGAN, _FAILED, _LOCKED))
    return [(each, _result(each)) for each in events]


def _result(event: AuditEvent) -> str:
    """With what somebody signed in, or why not."""
    match event.action:
        case "session.began":
            methods = event.details.get("methods", [])
            return f"signed in with {methods_in_words(methods)}" if methods else "signed in"
        case "sign_in.locked":
            return "locked after wrong attempts"
    return f"refused: {event.reason}"
