"""Group commit: waiting events are committed together, then their callers are answered."""

from collections.abc import Coroutine, Sequence
from random import Random
from time import perf_counter
from typing import Any

from issuer.audit.chain_store import ChainHead, ChainKey, Event, Outcome, OwnChain, append
from issuer.audit.flood import Flood, RefusalAggregator, as_suppressed, coalesce
from issuer.background.batches import BatchWorker, Waiting
from issuer.clock import Clock
from issuer.database import Database
from issuer.http.actor import Actor
from issuer.telemetry.metrics import NO_METRICS, Metrics

# More than fits into the free pages that PostgreSQL on a full disk may still have.
_TESTED_EVENTS = 200
_LIKE_A_TOKEN = {"text": "x" * 200}
# For an event that is written later: the state of the revocation feed was not read.
_NOT_READ = -1


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
