"""The limit of wrong credentials per network address."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from issuer.clock import Clock
from issuer.errors import TooManyRequests, Unavailable
from issuer.metrics import WRONG_CREDENTIALS, Metrics
from issuer.rate_limits.counts import WindowCounts
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.shared import Entry, SharedCounts

MAX_WAITING = 256
# Between attempts, while other processes check credentials from the same address.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds

T = TypeVar("T")


class FailureLimit:
    """At most `rate` wrong credentials per address. For the event loop only.

    For each address, no more checks run at a time than may still fail; with `shared`, in all
    processes together. Others wait for the results: parallel guesses gain nothing over sequential
    ones, and correct credentials are not refused.
    """

    def __init__(
        self,
        rate: Rate,
        clock: Clock,
        shared: SharedCounts | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._metrics = metrics or Metrics()
        self._rate = rate
        self._clock = clock
        self._shared = shared
        self._here = WindowCounts()
        self._checking: dict[str, _Checking] = {}
        self._waiting = 0

    async def checked(
        self, network: str, check: Callable[[], Awaitable[T]], *, is_wrong: Callable[[T], bool]
    ) -> T:
        """The result of `check`, counted as a failure of the network if `is_wrong(result)`.

        `TooManyRequests`, before the check, beyond the limit. An exception from `check` does not
        count: it reveals nothing about the credentials.
        """
        async with self._place(network), self._shared_place(network) as shared_place:
            result = await check()
            if is_wrong(result):
                self._here.add(network, self._window())  # before the place is free
                shared_place.has_failed = True
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
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many requests of one address are waiting.")
        self._waiting += 1
        try:
            await checking.one_ended.wait()
        finally:
            self._waiting -= 1

    @asynccontextmanager
    async def _shared_place(self, network: str) -> AsyncIterator["_SharedPlace"]:
        place = _SharedPlace()
        window = await self._entered_shared(self._shared, network) if self._shared else None
        try:
            yield place
        finally:
            if self._shared and window is not None:
                self._shared.leave(network, window, failed=place.has_failed)

    async def _entered_shared(self, shared: SharedCounts, network: str) -> int | None:
        """The window in which Redis counts it; None while Redis is unavailable."""
        for pause in _PAUSES:
            window = self._window()
            match await shared.enter(network, window, self._rate.most):
                case Entry.ENTERED:
                    return window
                case Entry.UNAVAILABLE:
                    return None
                case Entry.TOO_MANY:
                    raise self._too_many()
            await self._clock.sleep(pause)
        raise Unavailable("Other processes are checking too many requests of one address.")

    def _window(self) -> int:
        return self._rate.window(self._clock)

    def _too_many(self) -> TooManyRequests:
        self._metrics.rate_limited(WRONG_CREDENTIALS)
        left = self._rate.seconds_left(self._clock)
        return TooManyRequests("too many wrong credentials from the address", left)


class _Checking:
    """The checks in progress for one network; removed when there are none."""

    def __init__(self) -> None:
        self.number = 0
        self.one_ended = asyncio.Event()

    def end_one(self) -> None:
        self.number -= 1
        self.one_ended.set()
        self.one_ended = asyncio.Event()


class _SharedPlace:
    """A check counted in Redis, for all processes."""

    has_failed = False
