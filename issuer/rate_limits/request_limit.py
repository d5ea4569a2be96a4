"""The limit of token requests per client."""

from issuer.clock import Clock
from issuer.errors import TooManyRequests
from issuer.rate_limits.counts import WindowCounts
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.shared import SharedCounts


class RequestLimit:
    """At most `rate` requests per client. For the event loop only."""

    def __init__(self, rate: Rate, clock: Clock, shared: SharedCounts | None = None) -> None:
        self._rate = rate
        self._clock = clock
        self._shared = shared
        self._here = WindowCounts()

    async def count(self, client_id: str) -> None:
        """Count a request of an authenticated client; `TooManyRequests` beyond the limit.

        Before authentication, any sender could use up the requests of a client.
        """
        window = self._rate.window(self._clock)
        if self._here.add(client_id, window) > self._rate.most:
            raise self._too_many()
        if self._shared and await self._shared.add(client_id, window) > self._rate.most:
            raise self._too_many()

    def _too_many(self) -> TooManyRequests:
        left = self._rate.seconds_left(self._clock)
        return TooManyRequests("too many requests of the client", left)
