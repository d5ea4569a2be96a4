"""Refusals of a flood are only counted, so that no one can fill the audit log."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from issuer.audit.event import Event, Outcome
from issuer.fields.networks import network_of
from issuer.http.actor import Actor

# Rows a minute, for one sender, and for all unauthenticated senders. With the counted refusals
# this is at most 432,000 rows a day and process, however many senders take part.
_MAX_OF_A_SENDER = 60
_MAX_UNAUTHENTICATED = 200

REASON = "one of many"


class Flood:
    """Lets the first refusals of each minute pass; the others are only counted.

    A sender is an authenticated client or user, or else an IPv4 address or the /64 of an IPv6
    address.
    """

    def __init__(self) -> None:
        self._minute = datetime.min.replace(tzinfo=UTC)
        self._passed: Counter[str] = Counter()
        self._passed_unauthenticated = 0

    def hold(self, events: Sequence[Event]) -> list[bool]:
        """For each event, whether it is only counted.

        Equal events, which become one row, are treated alike.
        """
        verdicts: dict[object, bool] = {}
        held = []
        for position, event in enumerate(events):
            alike = _alike(event, position)
            if alike not in verdicts:
                verdicts[alike] = not self._passes(event)
            held.append(verdicts[alike])
        return held

    def _passes(self, event: Event) -> bool:
        if event.outcome is not Outcome.REFUSED:
            return True
        self._begin_minute(event.at.replace(second=0, microsecond=0))
        sender = event.actor.id or network_of(event.actor.address)
        if self._passed[sender] >= _MAX_OF_A_SENDER:
            return False
        if event.actor.id is None:
            if self._passed_unauthenticated >= _MAX_UNAUTHENTICATED:
                return False
            self._passed_unauthenticated += 1
        self._passed[sender] += 1
        return True

    def _begin_minute(self, minute: datetime) -> None:
        if minute != self._minute:
            self._minute = minute
            self._passed.clear()
            self._passed_unauthenticated = 0


def one_of_many(event: Event) -> Event:
    """What is kept of a refusal that is only counted: the sender or its network."""
    address = network_of(event.actor.address)
    actor = Actor(event.actor.id, event.actor.request_id, address)
    return replace(event, actor=actor, target=None, reason=REASON, details={})


def count_in(counted: dict[Hashable, Event], kind: Hashable, event: Event) -> None:
    """Count `event` with those of its kind; the first keeps its details."""
    first = counted.get(kind)
    counted[kind] = replace(first, count=first.count + event.count) if first else event


def coalesced(events: Iterable[Event]) -> list[Event]:
    """`events`, with refusals that differ only in time and request counted as one."""
    counted: dict[Hashable, Event] = {}
    for position, event in enumerate(events):
        count_in(counted, _alike(event, position), event)
    return list(counted.values())


def _alike(event: Event, position: int) -> Hashable:
    """A value that is equal for events that become one row."""
    if event.outcome is not Outcome.REFUSED:
        return position
    actor = (event.actor.id, event.actor.address)
    return (*actor, event.action, event.target, event.reason, repr(event.details))
