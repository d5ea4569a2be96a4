"""A queue for each client, for requests that keep the database busy."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from issuer.clock import Clock
from issuer.errors import TooManyRequests
from issuer.telemetry.metrics import NO_METRICS, REVOCATIONS, Metrics

_MAX_WAITING = 100
_MAX_CLIENTS = 10_000
_LONGEST_PAUSE = 1.0  # seconds

T = TypeVar("T")


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
    max_waiting: int = _MAX_WAITING
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
