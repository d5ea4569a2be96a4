"""Refusals that come in a flood are counted together, so that the record cannot be filled up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from issuer.audit.event import Actor, Event, Outcome

# In a second, as rows of their own: of one address, and of all of them.
_MOST_OF_AN_ADDRESS = 10
_MOST_OF_ALL = 200
# Addresses told apart beyond that.
_MOST_ADDRESSES = 100

REASON = "one of many"


class Flood:
    """Lets the first refusals of each second pass, and holds back the others to count them."""

    def __init__(self) -> None:
        self._second = datetime.min.replace(tzinfo=UTC)
        self._passed: Counter[str | None] = Counter()
        self.held: dict[object, Event] = {}

    def hold(self, events: Sequence[Event]) -> list[bool]:
        """For each, whether it is held back, to be counted with others of its address.

        Those alike, which become one row, pass or are held together.
        """
        verdicts: dict[object, bool] = {}
        held = []
        for position, event in enumerate(events):
            alike = _alike(event, position)
            if alike not in verdicts:
                verdicts[alike] = not self._passes(event)
            if verdicts[alike]:
                self._count(event)
            held.append(verdicts[alike])
        return held

    def is_due(self, now: datetime) -> bool:
        """Whether what is held back must be written: its second is over."""
        return bool(self.held) and now.replace(microsecond=0) > self._second

    def _passes(self, event: Event) -> bool:
        if event.outcome is not Outcome.REFUSED:
            return True
        second = event.at.replace(microsecond=0)
        if second > self._second:
            self._second = second
            self._passed.clear()
        address = event.actor.address
        if self._passed[address] >= _MOST_OF_AN_ADDRESS or self._passed.total() >= _MOST_OF_ALL:
            return False
        self._passed[address] += 1
        return True

    def _count(self, event: Event) -> None:
        key = (event.actor.address, event.action)
        if key not in self.held and len(self.held) >= _MOST_ADDRESSES:
            key = (None, event.action)
        one = Event(
            event.at,
            Actor(None, event.actor.request_id, key[0]),
            event.action,
            outcome=Outcome.REFUSED,
            reason=REASON,
        )
        before = self.held.get(key)
        self.held[key] = replace(before, count=before.count + 1) if before else one


def coalesced(events: Iterable[Event]) -> list[Event]:
    """`events`, with refusals that differ only in time and request counted as one."""
    kept: dict[object, Event] = {}
    for position, event in enumerate(events):
        alike = _alike(event, position)
        first = kept.get(alike)
        kept[alike] = replace(first, count=first.count + event.count) if first else event
    return list(kept.values())


def _alike(event: Event, position: int) -> object:
    """What is equal for events that become one row; nothing else has the same `position`."""
    if event.outcome is not Outcome.REFUSED:
        return position
    actor = (event.actor.id, event.actor.address)
    return (*actor, event.action, event.target, event.reason, repr(event.details))
