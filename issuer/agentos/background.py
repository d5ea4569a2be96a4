"""The one thread in which this process follows what it follows."""

import asyncio
import concurrent.futures
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """An event loop in a daemon thread, started when it is first needed in this process.

    So nothing that is fetched ever holds up the loop that serves. A fork leaves threads behind:
    the child starts one of its own. `starting` is for who starts something in it, once.
    """

    def __init__(self) -> None:
        self.starting = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        os.register_at_fork(after_in_child=self._forget)

    def run(self, work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
        """Begin `work` there; the future has its result."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self.starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="agentos-issuer-follower", daemon=True
                )
                thread.start()
            return self._loop

    def _forget(self) -> None:
        self.starting = threading.RLock()
        self._loop = None


background = Background()
