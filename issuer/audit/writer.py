"""Group commit: waiting events are committed together, then their callers are answered."""

import threading
from collections import Counter
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from time import perf_counter
from typing import Any

from issuer.audit.chain_store import ChainHead, ChainKey, Event, Outcome, OwnChain, append
from issuer.background.batches import BatchWorker, Waiting
from issuer.clock import Clock
from issuer.database import Database
from issuer.fields.networks import network_of
from issuer.http.actor import Actor
from issuer.telemetry.metrics import NO_METRICS, Metrics

# Rows a minute, for one sender, and for all unauthenticated senders. With the counted refusals
# this is at most 432,000 rows a day and process, however many senders take part.
_MAX_OF_A_SENDER = 60
_MAX_UNAUTHENTICATED = 200

REASON = "one of many"
WRITE_EVERY = timedelta(minutes=1)
MAX_KINDS = 100
# More than fits into the free pages that PostgreSQL on a full disk may still have.
_TESTED_EVENTS = 200
_LIKE_A_TOKEN = {"text": "x" * 200}
# For an event that is written later: the state of the revocation feed was not read.
_NOT_READ = -1


class Flood:
    """Lets the first refusals of each minute pass; the others are only counted.

    A sender is an authenticated client or user, or else an IPv4 address or the /64 of an IPv6
    address.
    """

    def __init__(self) -> None:
        self._minute = datetime.min.replace(tzinfo=UTC)
        self._passed: Counter[str] = Counter()
        self._passed_unauthenticated = 0

    def suppress(self, events: Sequence[Event]) -> list[bool]:
        """Whether each is only counted. Equal events, which become one row, are treated alike."""
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
        minute = event.at.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._minute, self._passed_unauthenticated = minute, 0
            self._passed.clear()
        sender = event.actor.id or network_of(event.actor.address)
        if self._passed[sender] >= _MAX_OF_A_SENDER:
            return False
        if event.actor.id is None:
            if self._passed_unauthenticated >= _MAX_UNAUTHENTICATED:
                return False
            self._passed_unauthenticated += 1
        self._passed[sender] += 1
        return True


def as_suppressed(event: Event) -> Event:
    """What is kept of a refusal that is only counted: the sender or its network."""
    address = network_of(event.actor.address)
    actor = Actor(event.actor.id, event.actor.request_id, address)
    return replace(event, actor=actor, target=None, reason=REASON, details={})


def count_in(counted: dict[Hashable, Event], kind: Hashable, event: Event) -> None:
    """Count `event` with those of its kind; the first keeps its details."""
    first = counted.get(kind)
    counted[kind] = replace(first, count=first.count + event.count) if first else event


def coalesce(events: Sequence[Event]) -> list[Event]:
    """`events`, with refusals that differ only in time and request counted as one."""
    if not any(event.outcome is Outcome.REFUSED for event in events):
        return list(events)
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


class RefusalAggregator:
    """Counts cheap refusals instead of writing a row for each. A crash loses those of a minute.

    Refusals of one actor and address, for one reason, are one event; beyond the first hundred
    kinds, actor and address are left out.
    """

    def __init__(
        self, database: Database, key: ChainKey, random: Random, max_kinds: int = MAX_KINDS
    ) -> None:
        self._chain = OwnChain(database, key, random)
        self._max_kinds = max_kinds
        self._lock = threading.Lock()
        self._gathered: dict[Hashable, Event] = {}

    def note(self, event: Event) -> None:
        """Count one more. Of equal refusals, the details of the first are kept."""
        with self._lock:
            self._gather(event)

    def write(self) -> None:
        """Write what was counted to the audit log; kept for the next time if that fails."""
        with self._lock:
            gathered, self._gathered = self._gathered, {}
        if not gathered:
            return
        try:
            self._chain.append(list(gathered.values()))
        except Exception:
            with self._lock:
                for event in gathered.values():
                    self._gather(event)
            raise

    def _gather(self, event: Event) -> None:
        if len(self._gathered) >= self._max_kinds and _kind(event) not in self._gathered:
            event = replace(event, actor=Actor())
        count_in(self._gathered, _kind(event), event)


def _kind(event: Event) -> Hashable:
    return event.actor.id, event.actor.address, event.action, event.reason


class AuditWriter(BatchWorker[Event, int]):
    """The one writer of a process. Events are durable when `record` returns.

    They form a chain of their own, so no process waits for another. Of a flood of refusals, most
    are only counted, by `refusals`. A small write elsewhere may succeed despite a `failure`.
    """

    def __init__(
        self,
        database: Database,
        key: ChainKey,
        random: Random,
        refusals: RefusalAggregator,
        max_waiting: int = 10_000,
        metrics: Metrics = NO_METRICS,
    ) -> None:
        super().__init__("audit-writer", self._append, max_waiting)
        self._metrics = metrics
        self._refusals = refusals
        self._chain = OwnChain(database, key, random)
        self._flood = Flood()

    def record(self, event: Event) -> Coroutine[Any, Any, int]:
        """Return when `event` is durable; `Unavailable` if it could not be made so.

        Returns the number of the last change of the revocation feed that was committed before: a
        caller that has not seen that change must check the token again before returning it.
        """
        return self.run(event)

    def _select(self, batch: list[Waiting[Event, int]]) -> list[Waiting[Event, int]]:
        """Refusals of a flood are answered before they are written."""
        if Outcome.REFUSED not in {event.outcome for event, _ in batch}:
            return batch
        held = self._flood.suppress([event for event, _ in batch])
        counted = [waiting for waiting, is_held in zip(batch, held, strict=True) if is_held]
        for event, _ in counted:
            self._refusals.note(as_suppressed(event))
        if counted:
            self._answer(counted, [_NOT_READ] * len(counted))
        return [waiting for waiting, is_held in zip(batch, held, strict=True) if not is_held]

    def _is_wanted(self, waiting: Waiting[Event, int]) -> bool:
        """True: an event has happened, also if its caller gave up."""
        return True

    def _append(self, events: Sequence[Event]) -> Sequence[int]:
        feed_count = self._chain.append(coalesce(events) if len(events) > 1 else events)
        self._metrics.audit_committed(amount=len(events))
        self._metrics.audit_waited(amount=perf_counter() - self.since)
        return [feed_count] * len(events)


def require_space(database: Database, clock: Clock, key: ChainKey) -> None:
    """`DatabaseUnavailable` unless many more events could be stored. Stores none."""
    event = Event(clock(), Actor(), "audit.tested", details=_LIKE_A_TOKEN)
    with database.statements() as connection:
        append(key, connection, "test", ChainHead(), [event] * _TESTED_EVENTS)
        connection.rollback()
