"""Changes by an API take turns, and leave most of a process to token requests."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

_REST = 3.0  # times as long as the last turn took
_MOST_REST = 0.2
_LOOK_EVERY = 0.005
_LONGEST = 0.25


class Turns:
    """One at a time; while `others_wait`, each begins a moment after the last one ended.

    The database has changes wait for each other, too, but in threads, which take the interpreter
    from the event loop. Times are in seconds.
    """

    def __init__(self, others_wait: Callable[[], bool]) -> None:
        self._others_wait = others_wait
        self._place = asyncio.Semaphore()
        self._rest_until = 0.0

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """What takes long goes on, but keeps the others waiting for a quarter of a second only."""
        loop = asyncio.get_running_loop()
        await self._place.acquire()
        began = loop.time()
        ends = loop.call_later(_LONGEST + _MOST_REST, self._place.release)
        try:
            while loop.time() < self._rest_until and self._others_wait():
                await asyncio.sleep(_LOOK_EVERY)
            began = loop.time()
            yield
        finally:
            ended = loop.time()
            self._rest_until = ended + min(_REST * (ended - began), _MOST_REST)
            if ended < ends.when():
                ends.cancel()
                self._place.release()
