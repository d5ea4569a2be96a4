"""Group commit: what has gathered is committed once, then everyone who waits is answered."""

import asyncio
import queue
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from typing import TypeAlias

from issuer.audit import store
from issuer.audit.event import Event, Outcome
from issuer.database import Database
from issuer.errors import Unavailable

_MOST_IN_A_COMMIT = 1_000
_SECONDS_TO_WAIT = 10
_SECONDS_TO_STOP = 5

_Waiting: TypeAlias = tuple[Event, asyncio.Future[None]]


class AuditWriter:
    """The one writer of a process. Events are durable when `record` returns (DESIGN §5)."""

    def __init__(self, database: Database, most_waiting: int = 10_000) -> None:
        self._database = database
        self._most_waiting = most_waiting
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Commit what is waiting, then end; a database that hangs does not hold up the end."""
        self._queue.put(None)
        self._thread.join(_SECONDS_TO_STOP)

    async def record(self, event: Event) -> None:
        """Return when `event` is durable; `Unavailable` if it could not be made so."""
        if self._queue.qsize() >= self._most_waiting:
            raise Unavailable("Too many events wait to be recorded.")
        durable = asyncio.get_running_loop().create_future()
        self._queue.put((event, durable))
        try:
            async with asyncio.timeout(_SECONDS_TO_WAIT):
                await durable
        except TimeoutError:
            raise Unavailable("The record could not be made durable in time.") from None

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, ended = self._gather(first)
            self._commit(batch)
            if ended:
                return

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        while len(batch) < _MOST_IN_A_COMMIT:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return batch, True
            batch.append(waiting)
        return batch, False

    def _commit(self, batch: list[_Waiting]) -> None:
        try:
            self._append(event for event, _ in batch)
        except Unavailable as error:
            self._answer(batch, error)
        except Exception as error:
            if len(batch) == 1:
                self._answer(batch, error)
                return
            # One event that cannot be stored must not fail those beside it.
            for waiting in batch:
                self._commit([waiting])
        else:
            self._answer(batch, None)

    def _append(self, events: Iterable[Event]) -> None:
        with self._database.transaction() as session:
            store.append(session, _coalesced(events))

    def _answer(self, batch: list[_Waiting], error: Exception | None) -> None:
        loop = batch[0][1].get_loop()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, [durable for _, durable in batch], error)


def _settle(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for durable in waiting:
        if durable.done():
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)


def _coalesced(events: Iterable[Event]) -> list[Event]:
    """`events`, with refusals that differ only in time and request counted as one."""
    kept: dict[object, Event] = {}
    for position, event in enumerate(events):
        alike: object = position
        if event.outcome is Outcome.REFUSED:
            alike = (
                event.actor.id,
                event.actor.address,
                event.action,
                event.target,
                event.reason,
                repr(event.details),
            )
        first = kept.get(alike)
        kept[alike] = replace(first, count=first.count + 1) if first else event
    return list(kept.values())
