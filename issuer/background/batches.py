"""Work that is done in batches, in a thread: for example many writes in one commit."""

import asyncio
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import perf_counter
from typing import Generic, TypeAlias, TypeVar

from issuer.errors import Unavailable

_MAX_IN_A_BATCH = 1_000
_LEAST_ENOUGH, _MOST_ENOUGH = 32, 100
_SECONDS_TO_WAIT = 10
_SECONDS_TO_STOP = 5

T = TypeVar("T")
R = TypeVar("R")
Waiting: TypeAlias = tuple[T, asyncio.Future[R]]


class BatchWorker(Generic[T, R]):
    """A thread that does `work` on all items that wait, then answers their callers.

    `work` returns a result for each item, in order. If it fails, it is repeated with each item
    alone: one that cannot be stored must not fail the others. Only `Unavailable` fails them all.
    """

    def __init__(
        self, name: str, work: Callable[[Sequence[T]], Sequence[R]], max_waiting: int = 10_000
    ) -> None:
        self.name = name
        self.max_waiting = max_waiting
        # Why the last batch failed, if it did.
        self.failure: Unavailable | None = None
        # Since when the first item of this batch has waited.
        self.since = 0.0
        self._work = work
        self._waiting: deque[Waiting[T, R]] = deque()
        self._is_gathering = False
        self._first_at = 0.0  # when the first of those waiting came
        self._asked = self._answered = 0
        # Begin with so many at once, also while more of them come.
        self._enough = _LEAST_ENOUGH
        # Each is the `since` of a batch.
        self._calls: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Do what is waiting, then end. Waits only seconds for a database that hangs."""
        self._is_stopping = True
        self._calls.put(perf_counter())
        self._thread.join(_SECONDS_TO_STOP)

    @property
    def waiting(self) -> int:
        """How many items wait."""
        return len(self._waiting)

    @property
    def callers(self) -> int:
        """How many wait for an answer."""
        return self._asked - self._answered

    async def run(self, item: T) -> R:
        """The result of `work` for `item`; `Unavailable` if too many wait, or for too long."""
        if len(self._waiting) >= self.max_waiting:
            raise Unavailable(f"Too many requests are waiting for the {self.name}.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[R] = loop.create_future()
        if not self._waiting:
            self._first_at = perf_counter()
        self._waiting.append((item, done))
        self._asked += 1
        if not self._is_gathering:
            self._is_gathering = True
            loop.call_soon(self._gather, loop, 0)
        elif len(self._waiting) == self._enough:
            self._calls.put(self._first_at)
        # Not `asyncio.timeout`, which takes several times as long, with every token.
        too_late = loop.call_later(_SECONDS_TO_WAIT, self._give_up, done)
        try:
            return await done
        finally:
            too_late.cancel()
            self._answered += 1

    def _gather(self, loop: asyncio.AbstractEventLoop, before: int) -> None:
        """Begin when a round of the event loop adds no item, so that requests share batches."""
        if before < self._asked:
            loop.call_soon(self._gather, loop, self._asked)
        else:
            self._is_gathering = False
            self._calls.put(self._first_at)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            self.since = self._calls.get()
            is_last = self._is_stopping
            gathered = [self._waiting.popleft() for _ in range(len(self._waiting))]
            for start in range(0, len(gathered), _MAX_IN_A_BATCH):
                if batch := self._select(gathered[start : start + _MAX_IN_A_BATCH]):
                    self._do(batch)

    def _select(self, batch: list[Waiting[T, R]]) -> list[Waiting[T, R]]:
        return list(filter(self._is_wanted, batch))

    def _is_wanted(self, waiting: Waiting[T, R]) -> bool:
        """False for work that its caller gave up, who would not know that it was done."""
        return not waiting[1].done()

    def _do(self, batch: list[Waiting[T, R]]) -> None:
        try:
            results = self._work([item for item, _ in batch])
        except Unavailable as error:
            self.failure = error
            self._answer(batch, [error] * len(batch))
        except Exception as error:
            if len(batch) == 1:
                self._answer(batch, [error])
                return
            for waiting in filter(self._is_wanted, batch):
                self._do([waiting])
        else:
            self.failure = None
            self._answer(batch, results)

    def _answer(self, batch: Sequence[Waiting[T, R]], results: Sequence[R | Exception]) -> None:
        loop = batch[0][1].get_loop()
        with suppress(RuntimeError):  # the loop is closed: no caller waits any more
            loop.call_soon_threadsafe(self._finish, [done for _, done in batch], results)

    def _finish(
        self, waiting: Sequence[asyncio.Future[R]], results: Sequence[R | Exception]
    ) -> None:
        # Four fifths of the callers: while their batch is done, the event loop serves the others.
        self._enough = min(max(_LEAST_ENOUGH, self.callers * 4 // 5), _MOST_ENOUGH)
        if len(self._waiting) >= self._enough:
            self._calls.put(self._first_at)
        for done, result in zip(waiting, results, strict=True):
            if done.done():
                continue
            if isinstance(result, Exception):
                done.set_exception(result)
            else:
                done.set_result(result)

    def _give_up(self, done: asyncio.Future[R]) -> None:
        self._finish([done], [Unavailable(f"The {self.name} took too long.")])
