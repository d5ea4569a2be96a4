"""Load shedding: a request that would wait too long gets 503 at once."""

import asyncio

from issuer.clock import Clock
from issuer.errors import Unavailable
from issuer.oauth.errors import TOO_MANY_REQUESTS
from issuer.rate_limits import RefusalPace

_MAX_ROUND = 0.5  # seconds
_TOO_MUCH = {TOO_MANY_REQUESTS, 503}


class LoadShedder:
    """How long the event loop has been busy with the requests that arrived together.

    In one iteration of the loop, requests are answered one after the other; those that arrive
    meanwhile wait for the next. If an overloaded server answered all of them, each iteration would
    take longer, and it would recover late.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at: float | None = None
        self._pace = RefusalPace(clock)

    def require_time(self) -> None:
        """`Unavailable` for a request whose turn comes too late in its iteration."""
        now = self._clock.monotonic()
        if self._began_at is None:
            self._began_at = now
            asyncio.get_running_loop().call_soon(self._end)  # runs in the next iteration
        elif now - self._began_at > _MAX_ROUND:
            raise Unavailable("More requests came at once than can be answered.")

    async def pace(self, status: int, address: str | None) -> None:
        """Called before a refusal: delays one with status 429 or 503 to a bounded pace."""
        if status in _TOO_MUCH:
            await self._pace.wait(address)

    def _end(self) -> None:
        self._began_at = None
