"""Limits of requests: of a caller, of registrations, and of those that run at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from issuer.clock import Clock
from issuer.errors import TooManyRequests, Unavailable
from issuer.rate_limits.rate import Rate, WindowCounts
from issuer.rate_limits.shared import SharedCounts
from issuer.telemetry.metrics import NO_METRICS, REGISTRATIONS, TOKEN_REQUESTS, Metrics

PER_NETWORK = Rate(20, 60)
IN_ALL = Rate(100, 60)
_ALL = "all"
_MAX_WAITING = 64


@dataclass(eq=False)
class RequestLimit:
    """At most `rate` requests of each caller. For the event loop only.

    `what` is counted, as errors name it; `limit` is its name in the metrics.
    """

    rate: Rate
    clock: Clock
    shared: SharedCounts | None = None
    what: str = "requests of the client"
    limit: str = TOKEN_REQUESTS
    metrics: Metrics = NO_METRICS
    _here: WindowCounts = field(default_factory=WindowCounts, init=False)

    async def count(self, caller: str) -> None:
        """Count a request; `TooManyRequests` beyond the limit.

        Of a client only once it is authenticated: else anybody could use up its requests.
        """
        window = self.rate.window(self.clock)
        if self._here.add(caller, window) > self.rate.most:
            raise self._too_many()
        if self.shared and await self.shared.add(caller, window) > self.rate.most:
            raise self._too_many()

    def _too_many(self) -> TooManyRequests:
        self.metrics.rate_limited(self.limit)
        left = self.rate.seconds_left(self.clock)
        return TooManyRequests(f"too many {self.what}", left)


class PublicLimit:
    """A limit of requests that anybody can send, such as registrations. For the event loop only."""

    def __init__(
        self,
        clock: Clock,
        shared: SharedCounts | None = None,
        metrics: Metrics = NO_METRICS,
        *,
        what: str = "registrations",
        limit: str = REGISTRATIONS,
    ) -> None:
        """`shared` counts for a minute; `what` and `limit` as for `RequestLimit`."""
        of_network, of_all = f"{what} of the address", f"{what} of all addresses"
        counted = (limit, metrics)
        self._of_network = RequestLimit(PER_NETWORK, clock, shared, of_network, *counted)
        self._of_all = RequestLimit(IN_ALL, clock, shared, of_all, *counted)

    async def count(self, network: str) -> None:
        """Count a request; `TooManyRequests` beyond either limit."""
        # The network first, so that one address cannot use up what others may.
        await self._of_network.count(network)
        await self._of_all.count(_ALL)


class ConcurrencyLimit:
    """`at_once` of each key run, `max_waiting` wait, more are `Unavailable`. For the event loop."""

    def __init__(self, at_once: int, max_waiting: int = _MAX_WAITING) -> None:
        self._at_once = at_once
        self._most = at_once + max_waiting
        self._inside: dict[str, int] = {}
        self._semaphores: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it until the end of the context."""
        inside = self._inside.get(key, 0)
        if inside >= self._most:
            raise Unavailable("Too many requests of one address or user are waiting.")
        self._inside[key] = inside + 1
        semaphore = self._semaphores.setdefault(key, asyncio.Semaphore(self._at_once))
        try:
            async with semaphore:
                yield
        finally:
            self._inside[key] -= 1
            if not self._inside[key]:
                del self._inside[key], self._semaphores[key]
