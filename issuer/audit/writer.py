"""Group commit: what has gathered is committed once, then everyone who waits is answered."""

import asyncio
import queue
import threading
import time
from contextlib import suppress
from random import Random
from typing import TypeAlias

import structlog

from issuer.audit.event import Event
from issuer.audit.flood import Flood, coalesced
from issuer.audit.own_chain import OwnChain
from issuer.database import Database
from issuer.errors import Unavailable

_MOST_IN_A_COMMIT = 1_000
# A commit costs as much as a token: where several come at once, those on their way share it.
_SEVERAL = 2
_SECONDS_BETWEEN_LOOKS = 0.002
_MOST_LOOKS = 4
_SECONDS_TO_HOLD = 1
_SECONDS_TO_WAIT = 10
_SECONDS_TO_STOP = 5

log = structlog.get_logger(__name__)

_Waiting: TypeAlias = tuple[Event, asyncio.Future[None]]


class AuditWriter:
    """The one writer of a process. Events are durable when `record` returns (DESIGN §5).

    They are a chain of their own, so no process waits for another. Refusals in a flood are
    counted together, and written a moment later.
    """

    def __init__(self, database: Database, chance: Random, most_waiting: int = 10_000) -> None:
        self._chain = OwnChain(database, chance)
        self._most_waiting = most_waiting
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._flood = Flood()
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
        loop = asyncio.get_running_loop()
        durable = loop.create_future()
        self._queue.put((event, durable))
        # Not `asyncio.timeout`, which takes several times as long, for every token.
        too_late = loop.call_later(_SECONDS_TO_WAIT, _give_up, durable)
        try:
            await durable
        finally:
            too_late.cancel()

    def _run(self) -> None:
        come_at_once = 0
        while (first := self._next()) is not None:
            if come_at_once >= _SEVERAL:
                self._let_more_come()
            batch, ended = self._gather(first)
            if self._flood.is_due(batch[-1][0].at):
                self._write_held()
            self._commit_what_passes(batch)
            if ended:
                break
            come_at_once = len(batch)
        self._write_held()

    def _next(self) -> _Waiting | None:
        """Who comes next; meanwhile, what is held back does not wait for ever."""
        while True:
            try:
                return self._queue.get(timeout=_SECONDS_TO_HOLD if self._flood.held else None)
            except queue.Empty:
                self._write_held()

    def _commit_what_passes(self, batch: list[_Waiting]) -> None:
        """Who is refused in a flood does not wait for the record of it."""
        held = self._flood.hold([event for event, _ in batch])
        passing = [waiting for waiting, is_held in zip(batch, held, strict=True) if not is_held]
        if any(held):
            self._answer([each for each, is_held in zip(batch, held, strict=True) if is_held], None)
        if passing:
            self._commit(passing)

    def _write_held(self) -> None:
        """What cannot be written now is held on."""
        if not self._flood.held:
            return
        try:
            self._chain.append(list(self._flood.held.values()))
        except Exception as error:
            log.warning("refusals_not_recorded", cause=str(error))
        else:
            self._flood.held.clear()

    def _let_more_come(self) -> None:
        """As long as they do: who are few must not wait for nobody."""
        for _ in range(_MOST_LOOKS):
            before = self._queue.qsize()
            time.sleep(_SECONDS_BETWEEN_LOOKS)
            if self._queue.qsize() == before:
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
            self._chain.append(coalesced(event for event, _ in batch))
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

    def _answer(self, batch: list[_Waiting], error: Exception | None) -> None:
        loop = batch[0][1].get_loop()
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, [durable for _, durable in batch], error)


def _give_up(durable: asyncio.Future[None]) -> None:
    _settle([durable], Unavailable("The record could not be made durable in time."))


def _settle(waiting: list[asyncio.Future[None]], error: Exception | None) -> None:
    for durable in waiting:
        if durable.done():
            continue
        if error is None:
            durable.set_result(None)
        else:
            durable.set_exception(error)
