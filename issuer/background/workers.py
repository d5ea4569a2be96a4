"""Bounded thread pools for work that must not block the event loop: queries, password hashing."""

import asyncio
import contextvars
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from time import perf_counter
from typing import ParamSpec, TypeVar

from issuer.errors import Unavailable
from issuer.telemetry.metrics import NO_METRICS, Metrics

# In the scope of a GET request.
IN_SCOPE = "issuer.caller"
# Beside a busy thread of this process a tenth of its time. At the lowest priority it is a
# hundredth: then a sign-in on a busy machine waits longer than `MAX_SECONDS`.
_LOWER_BY = 10
MAX_SECONDS = 10.0
P = ParamSpec("P")
T = TypeVar("T")


class WaitingCaller:
    """The caller of a request, whose connection tells when it has left."""

    has_left = False

    def leave(self) -> None:
        """It takes no answer any more."""
        self.has_left = True


# Of the present request; threads that work for it have it as well.
present_caller: ContextVar[WaitingCaller | None] = ContextVar("present_caller", default=None)


class WorkerPool:
    """`workers` threads and a queue of at most `queue`; beyond it callers are refused.

    `inside` tasks run or wait, of `most`. Nobody waits longer than `max_seconds`, however long a
    database or a queue takes.
    """

    def __init__(
        self,
        name: str,
        workers: int,
        queue: int,
        metrics: Metrics = NO_METRICS,
        *,
        max_seconds: float | None = MAX_SECONDS,
    ) -> None:
        self.name = name
        self.workers = workers
        self.most = workers + queue
        self.inside = 0
        self._max_seconds = max_seconds
        self._metrics = metrics
        self._executor = ThreadPoolExecutor(workers, thread_name_prefix=name)
        self._counting = threading.Lock()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(*args, **kwargs)` in a thread of the pool; `Unavailable` if it is full.

        The same if it takes too long: then it does not begin, or ends without its caller.
        """
        self.require_place()
        with self._counting:
            self.inside += 1
        context, queued_at = contextvars.copy_context(), perf_counter()

        def task() -> T:
            self._metrics.pool_waited(self.name, amount=perf_counter() - queued_at)
            return context.run(function, *args, **kwargs)

        running = self._executor.submit(task)
        # On the thread's own future: a caller that disconnects does not free the thread.
        running.add_done_callback(self._leave)
        try:
            async with asyncio.timeout(self._max_seconds) as limit:
                return await asyncio.wrap_future(running)
        except TimeoutError:
            if not limit.expired():
                raise
            if (caller := present_caller.get()) is not None:
                caller.leave()
            raise Unavailable("The database, or a queue before it, took too long.") from None

    def require_place(self) -> None:
        """`Unavailable` while the pool is full: before anything is prepared for it."""
        if self.inside >= self.most:
            self._metrics.pool_refused(self.name)
            raise Unavailable("Too many requests of this kind are waiting.")

    def stop(self) -> None:
        """Let the threads end; accepts no new work."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave(self, _done: object) -> None:
        with self._counting:
            self.inside -= 1


def low_priority_executor(name: str, number: int) -> ThreadPoolExecutor:
    """Threads of low priority. They must hold no lock that other threads need."""
    return ThreadPoolExecutor(number, thread_name_prefix=name, initializer=_let_others_go_first)


def _let_others_go_first() -> None:
    if hasattr(os, "setpriority"):
        # On Linux a thread id is enough to change the priority of that thread alone.
        thread = threading.get_native_id()
        priority = os.getpriority(os.PRIO_PROCESS, thread) + _LOWER_BY  # the lowest is 19
        os.setpriority(os.PRIO_PROCESS, thread, priority)
