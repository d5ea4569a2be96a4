"""How fast the refusals of an address leave."""

from issuer.clock import Clock
from issuer.network import network_of
from issuer.rate_limits.counts import Counts

_PER_SECOND = 100
_MAX_WAITING = 1_024


class RefusalPace:
    """Of one address, refusals beyond `per_second` wait for the next second. For the event loop.

    A caller that asks again as soon as it is refused would otherwise take as much of the server
    as others that are served. Nobody is refused because of it, and what succeeds never waits.
    """

    def __init__(self, clock: Clock, per_second: int = _PER_SECOND) -> None:
        self._clock = clock
        self._per_second = per_second
        self._refused = Counts()
        self._waiting = 0

    async def wait(self, address: str | None) -> None:
        """Until one more refusal may leave to the address."""
        now = self._clock.monotonic()
        second = int(now)
        if self._refused.add(network_of(address), second) <= self._per_second:
            return
        if self._waiting >= _MAX_WAITING:
            return
        self._waiting += 1
        try:
            await self._clock.sleep(second + 1 - now)
        finally:
            self._waiting -= 1
