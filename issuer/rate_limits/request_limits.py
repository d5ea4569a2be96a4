"""Rates in fixed windows; limits of requests, of those that run at a time, and of refusals."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Self, TypeVar

from issuer.clock import Clock
from issuer.errors import TooManyRequests, Unavailable
from issuer.fields.networks import network_of
from issuer.rate_limits.shared import SharedCounts
from issuer.telemetry.metrics import NO_METRICS, REGISTRATIONS, REVOCATIONS, TOKEN_REQUESTS, Metrics

_SECONDS = {"second": 1, "minute": 60}
MAX_KEYS = 100_000
# Of `RefusalPace`.
_PER_SECOND = 100
_MAX_PACED = 1_024
_ALL = "all"
_MAX_WAITING = 64
_MAX_OF_CLIENT = 100
_MAX_CLIENTS = 10_000
_LONGEST_PAUSE = 1.0  # seconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` in each second or minute of the clock.

    A fixed window, not a sliding one: it needs one number per key, can be discarded at once, and
    is the same in every process.
    """

    most: int
    seconds: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The rate of a setting, such as `60/minute`; None for `off`."""
        if text == "off":
            return None
        number, _, unit = text.partition("/")
        return cls(int(number), _SECONDS[unit])

    def window(self, clock: Clock) -> int:
        """The number of the current window."""
        return int(clock().timestamp()) // self.seconds

    def seconds_left(self, clock: Clock) -> int:
        """Seconds until the next window, rounded up, for `Retry-After`."""
        return self.seconds - int(clock().timestamp()) % self.seconds


class WindowCounts:
    """A count per key. For the event loop only: it has no lock.

    A new window starts from zero. Beyond `max_keys`, the least recently counted key is dropped:
    counting each address does not stop an attacker with that many.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._window = 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def of(self, key: str, window: int) -> int:
        """How often `key` was counted in the window."""
        return self._in(window).get(key, 0)

    def add(self, key: str, window: int) -> int:
        """Increment the count of `key`; the new count."""
        counts = self._in(window)
        counts[key] = count = counts.get(key, 0) + 1
        counts.move_to_end(key)
        if len(counts) > self._max_keys:
            counts.popitem(last=False)
        return count

    def _in(self, window: int) -> OrderedDict[str, int]:
        if window != self._window:
            self._window = window
            self._counts = OrderedDict()
        return self._counts


@dataclass(eq=False)
class RefusalPace:
    """Delays refusals to one address beyond `per_second` to the next second. For the event loop.

    A caller that repeats a refused request at once would otherwise use as much of the server as
    callers that succeed. No request is refused because of it; successful responses never wait.
    """

    clock: Clock
    per_second: int = _PER_SECOND
    _refused: WindowCounts = field(default_factory=WindowCounts, init=False)
    _waiting: int = field(default=0, init=False)

    async def wait(self, address: str | None) -> None:
        """Wait until another refusal may be sent to the address."""
        now = self.clock.monotonic()
        second = int(now)
        if self._refused.add(network_of(address), second) <= self.per_second:
            return
        if self._waiting >= _MAX_PACED:
            return
        self._waiting += 1
        try:
            await self.clock.sleep(second + 1 - now)
        finally:
            self._waiting -= 1


PER_NETWORK = Rate(20, 60)
IN_ALL = Rate(100, 60)


@dataclass(eq=False)
class RateLimit:
    """`what` is counted, as errors name it; `limit` is its name in the metrics."""

    rate: Rate
    clock: Clock
    shared: SharedCounts | None = None
    metrics: Metrics = NO_METRICS
    what: str = "requests of the client"
    limit: str = TOKEN_REQUESTS
    _here: WindowCounts = field(default_factory=WindowCounts, init=False)

    def window(self) -> int:
        return self.rate.window(self.clock)

    def too_many(self) -> TooManyRequests:
        """The error beyond the limit."""
        self.metrics.rate_limited(self.limit)
        return TooManyRequests(f"too many {self.what}", self.rate.seconds_left(self.clock))


class RequestLimit(RateLimit):
    """At most `rate` requests of each caller. For the event loop only."""

    async def count(self, caller: str) -> None:
        """Count a request; `TooManyRequests` beyond the limit.

        Of a client only once it is authenticated: else anybody could use up its requests.
        """
        window = self.window()
        if self._here.add(caller, window) > self.rate.most:
            raise self.too_many()
        if self.shared and await self.shared.add(caller, window) > self.rate.most:
            raise self.too_many()


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
        self._of_network = RequestLimit(PER_NETWORK, clock, shared, metrics, of_network, limit)
        self._of_all = RequestLimit(IN_ALL, clock, shared, metrics, of_all, limit)

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


@dataclass(slots=True)
class _Queue:
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    pauses_until: float = 0.0


@dataclass(eq=False)
class ClientQueues:
    """Runs the requests of a client one after the other. For the event loop only.

    After each, the client's next one waits for as long as it took: however fast the machine is, a
    client leaves half of the time to others. A client beyond the last `max_clients` starts anew.
    """

    clock: Clock
    max_waiting: int = _MAX_OF_CLIENT
    max_clients: int = _MAX_CLIENTS
    limit: str = REVOCATIONS
    metrics: Metrics = NO_METRICS
    _queues: OrderedDict[str, _Queue] = field(default_factory=OrderedDict, init=False)

    async def run(self, client_id: str, request: Callable[[], Awaitable[T]]) -> T:
        """`await request()` when it is its turn; `TooManyRequests` if too many are waiting."""
        queue = self._of(client_id)
        if queue.waiting >= self.max_waiting:
            self.metrics.rate_limited(self.limit)
            raise TooManyRequests("too many requests of the client are waiting", 1)
        queue.waiting += 1
        try:
            async with queue.turn:
                return await self._run(queue, request)
        finally:
            queue.waiting -= 1

    async def _run(self, queue: _Queue, request: Callable[[], Awaitable[T]]) -> T:
        if (pause := queue.pauses_until - self.clock.monotonic()) > 0:
            await self.clock.sleep(pause)
        began = self.clock.monotonic()
        try:
            return await request()
        finally:
            ended = self.clock.monotonic()
            queue.pauses_until = ended + min(ended - began, _LONGEST_PAUSE)

    def _of(self, client_id: str) -> _Queue:
        queue = self._queues.setdefault(client_id, _Queue())
        self._queues.move_to_end(client_id)
        if len(self._queues) > self.max_clients:
            self._queues.popitem(last=False)
        return queue
