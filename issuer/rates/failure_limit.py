"""How many wrong credentials an address may send."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from issuer.clock import Clock
from issuer.errors import TooManyRequests, Unavailable
from issuer.rates.counts import Counts
from issuer.rates.rate import Rate
from issuer.rates.shared import SharedCounts

MOST_WAITING = 256

T = TypeVar("T")


class FailureLimit:
    """At most `rate` wrong credentials of each address. For the event loop alone.

    Of one address no more are being checked than could fail. Others wait for how those end: so
    many guesses at once are no more than as many in a row, and nobody is refused who was right.
    """

    def __init__(self, rate: Rate, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._rate = rate
        self._clock = clock
        self._shared = shared
        self._here = Counts()
        self._checking: dict[str, _Checking] = {}
        self._waiting = 0

    async def checked(
        self, network: str, check: Callable[[], Awaitable[T]], *, is_wrong: Callable[[T], bool]
    ) -> T:
        """What `check` returns; it counts as a failure of the network if `is_wrong` says so.

        `TooManyRequests` before any check if there were too many. What `check` raises is no
        failure: nobody learns from it whether the credentials were right.
        """
        async with self._place(network):
            await self._require_few_elsewhere(network)
            result = await check()
            if is_wrong(result):
                self._here.add(network, self._window())  # before the place is free
                if self._shared:
                    await self._shared.add(network, self._window())
            return result

    @asynccontextmanager
    async def _place(self, network: str) -> AsyncIterator[None]:
        checking = await self._entered(network)
        try:
            yield
        finally:
            checking.end_one()
            if not checking.number:
                self._checking.pop(network, None)

    async def _entered(self, network: str) -> "_Checking":
        while True:
            failed = self._here.of(network, self._window())
            if failed >= self._rate.most:
                raise self._too_many()
            checking = self._checking.setdefault(network, _Checking())
            if failed + checking.number < self._rate.most:
                checking.number += 1
                return checking
            await self._wait(checking)

    async def _wait(self, checking: "_Checking") -> None:
        if self._waiting >= MOST_WAITING:
            raise Unavailable("Too many requests of one address are waiting.")
        self._waiting += 1
        try:
            await checking.one_ended.wait()
        finally:
            self._waiting -= 1

    async def _require_few_elsewhere(self, network: str) -> None:
        if self._shared and await self._shared.of(network, self._window()) >= self._rate.most:
            raise self._too_many()

    def _window(self) -> int:
        return self._rate.window(self._clock)

    def _too_many(self) -> TooManyRequests:
        left = self._rate.seconds_left(self._clock)
        return TooManyRequests("too many wrong credentials from the address", left)


class _Checking:
    """The checks under way for one network; never kept with none."""

    def __init__(self) -> None:
        self.number = 0
        self.one_ended = asyncio.Event()

    def end_one(self) -> None:
        self.number -= 1
        self.one_ended.set()
        self.one_ended = asyncio.Event()
