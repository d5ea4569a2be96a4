"""Audit events in words, for those who may read the audit log."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from issuer.audit import AuditEvent
from issuer.audit.sentences import Part, principals_of, sentence
from issuer.composition import UnitOfWork
from issuer.fields.text import escape
from issuer.groups import GROUP
from issuer.web.console.screens.operator import Operator, readable


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
