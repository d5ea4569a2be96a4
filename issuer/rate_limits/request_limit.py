"""The limit of requests, such as token requests of a client."""

from issuer.clock import Clock
from issuer.errors import TooManyRequests
from issuer.rate_limits.counts import WindowCounts
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.shared import SharedCounts
from issuer.telemetry.metrics import TOKEN_REQUESTS, Metrics


class RequestLimit:
    """At most `rate` requests of each caller. For the event loop only.

    `what` is counted, as errors name it; `limit` is its name in the metrics.
    """

    def __init__(
        self,
        rate: Rate,
        clock: Clock,
        shared: SharedCounts | None = None,
        what: str = "requests of the client",
        limit: str = TOKEN_REQUESTS,
        metrics: Metrics | None = None,
    ) -> None:
        self._limit = limit
        self._metrics = metrics or Metrics()
        self._rate = rate
        self._clock = clock
        self._shared = shared
        self._what = what
        self._here = WindowCounts()

    async def count(self, caller: str) -> None:
        """Count a request; `TooManyRequests` beyond the limit.

        Of a client only once it is authenticated: else anybody could use up its requests.
        """
        window = self._rate.window(self._clock)
        if self._here.add(caller, window) > self._rate.most:
            raise self._too_many()
        if self._shared and await self._shared.add(caller, window) > self._rate.most:
            raise self._too_many()

    def _too_many(self) -> TooManyRequests:
        self._metrics.rate_limited(self._limit)
        left = self._rate.seconds_left(self._clock)
        return TooManyRequests(f"too many {self._what}", left)
