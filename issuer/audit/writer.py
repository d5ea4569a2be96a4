"""Group commit: waiting events are committed together, then their callers are answered."""

import asyncio
import queue
import threading
from collections import deque
from contextlib import suppress
from random import Random
from time import perf_counter
from typing import TypeAlias

import structlog

from issuer.audit.chain_store import ChainHead, ChainKey, Event, Outcome, OwnChain, append
from issuer.audit.flood import Flood, RefusalAggregator, as_suppressed, coalesced
from issuer.clock import Clock
from issuer.database import Database
from issuer.errors import Unavailable
from issuer.http.actor import Actor
from issuer.telemetry.metrics import NO_METRICS, Metrics

_MAX_IN_A_COMMIT = 1_000
_ENOUGH_FOR_A_COMMIT = 100
_SECONDS_TO_WAIT = 10
_SECONDS_TO_STOP = 5
# More than fits into the free pages that PostgreSQL on a full disk may still have.
_TESTED_EVENTS = 200
_LIKE_A_TOKEN = {"text": "x" * 200}

log = structlog.get_logger(__name__)

_Waiting: TypeAlias = tuple[Event, asyncio.Future[int]]
# For an event that is written later: the state of the revocation feed was not read.
_NOT_READ = -1


class AuditWriter:
    """The one writer of a process. Events are durable when `record` returns.

    They form a chain of their own, so no process waits for another. Of a flood of refusals, most
    are only counted, by `refusals`.
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
        self._metrics = metrics
        self._refusals = refusals
        self._chain = OwnChain(database, key, random)
        self.max_waiting = max_waiting
        self._waiting: deque[_Waiting] = deque()
        self._is_gathering = False
        # Each since when the first event of a commit has waited.
        self._calls: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._since = 0.0
        self._is_stopping = False
        self._flood = Flood()
        # Why the last commit failed, if it did. A small write elsewhere may still succeed.
        self.failure: Unavailable | None = None
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is waiting, then end. Waits only seconds for a database that hangs."""
        self._is_stopping = True
        self._calls.put(perf_counter())
        self._thread.join(_SECONDS_TO_STOP)

    @property
    def waiting(self) -> int:
        """How many events wait."""
        return len(self._waiting)

    async def record(self, event: Event) -> int:
        """Return when `event` is durable; `Unavailable` if it could not be made so.

        Returns the number of the last change of the revocation feed that was committed before: a
        caller that has not seen that change must check the token again before returning it.
        """
        if len(self._waiting) >= self.max_waiting:
            raise Unavailable("Too many events are waiting for the audit log.")
        loop = asyncio.get_running_loop()
        durable: asyncio.Future[int] = loop.create_future()
        self._waiting.append((event, durable))
        if not self._is_gathering:
            self._is_gathering = True
            loop.call_soon(self._gather, loop, 0, perf_counter())
        # Not `asyncio.timeout`, which takes several times as long, with every token.
        too_late = loop.call_later(_SECONDS_TO_WAIT, _give_up, durable)
        try:
            return await durable
        finally:
            too_late.cancel()

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int, since: float) -> None:
        """Commit when a round of the event loop adds no event, so that requests share commits."""
        waiting = len(self._waiting)
        if before < waiting < _ENOUGH_FOR_A_COMMIT:
            loop.call_soon(self._gather, loop, waiting, since)
        else:
            self._is_gathering = False
            self._calls.put(since)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self._since = self._calls.get()
            is_last = self._is_stopping
            gathered = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for start in range(0, len(gathered), _MAX_IN_A_COMMIT):
                self._commit_what_passes(gathered[start : start + _MAX_IN_A_COMMIT])

    def _commit_what_passes(self, batch: list[_Waiting]) -> None:
        """Refusals of a flood are answered before they are written."""
        if Outcome.REFUSED not in {event.outcome for event, _ in batch}:
            self._commit(batch)
            return
        held = self._flood.suppress([event for event, _ in batch])
        passing = [waiting for waiting, is_held in zip(batch, held, strict=True) if not is_held]
        counted = [waiting for waiting, is_held in zip(batch, held, strict=True) if is_held]
        for event, _ in counted:
            self._refusals.note(as_suppressed(event))
        if counted:
            self._answer(counted, _NOT_READ)
        if passing:
            self._commit(passing)

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            events = [event for event, _ in batch]
            feed_count = self._chain.append(coalesced(events) if len(events) > 1 else events)
        except Unavailable as error:
            self.failure = error
            self._answer(batch, error)
        except Exception as error:
            if len(batch) == 1:
                self._answer(batch, error)
                return
            # One event that cannot be stored must not fail the others of its batch.
            for waiting in batch:
                self._commit([waiting])
        else:
            self.failure = None
            self._metrics.audit_committed(amount=len(batch))
            self._metrics.audit_waited(amount=perf_counter() - self._since)
            self._answer(batch, feed_count)

    def _answer(self, batch: list[_Waiting], result: int | Exception) -> None:
        loop = batch[0][1].get_loop()
        with suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(_finish, [durable for _, durable in batch], result)


def _give_up(durable: asyncio.Future[int]) -> None:
    _finish([durable], Unavailable("The audit event could not be written in time."))


def _finish(waiting: list[asyncio.Future[int]], result: int | Exception) -> None:
    for durable in waiting:
        if durable.done():
            continue
        if isinstance(result, Exception):
            durable.set_exception(result)
        else:
            durable.set_result(result)


def require_space(database: Database, clock: Clock, key: ChainKey) -> None:
    """`DatabaseUnavailable` unless many more events could be stored. Stores none."""
    event = Event(clock(), Actor(), "audit.tested", details=_LIKE_A_TOKEN)
    with database.statements() as connection:
        append(key, connection, "test", ChainHead(), [event] * _TESTED_EVENTS)
        connection.rollback()
