"""The thread in which this process polls key sets and feeds."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """An event loop in a daemon thread, started on first use in this process.

    A fetch therefore never blocks the loop that serves. Threads do not survive a fork: the child
    starts its own. Hold `starting` while you start something in it once.
    """

    def __init__(self) -> None:
        self.starting = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        os.register_at_fork(after_in_child=self._forget)

    def run(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Start `work` there; the future has its result."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self.starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="agentos-issuer-verifier", daemon=True
                )
                thread.start()
            return self._loop

    def _forget(self) -> None:
        self.starting = threading.RLock()
        self._loop = None


background = Background()
