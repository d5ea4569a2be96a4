"""The pace at which refusals are sent to an address."""

from issuer.clock import Clock
from issuer.fields.networks import network_of
from issuer.rate_limits.rate import WindowCounts

_PER_SECOND = 100
_MAX_WAITING = 1_024


class RefusalPace:
    """Delays refusals to one address beyond `per_second` to the next second. For the event loop.

    A caller that repeats a refused request at once would otherwise use as much of the server as
    callers that succeed. No request is refused because of it; successful responses never wait.
    """

    def __init__(self, clock: Clock, per_second: int = _PER_SECOND) -> None:
        self._clock = clock
        self._per_second = per_second
        self._refused = WindowCounts()
        self._waiting = 0

    async def wait(self, address: str | None) -> None:
        """Wait until another refusal may be sent to the address."""
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
