"""The limit of registrations of clients, for an address and for all of them."""

from issuer.clock import Clock
from issuer.errors import TooManyRequests
from issuer.rate_limits.counts import WindowCounts
from issuer.rate_limits.rate import Rate

PER_NETWORK = Rate(20, 60)
IN_ALL = Rate(100, 60)
_ALL = "all"


class RegistrationLimit:
    """Counts requests to register in this process. For the event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._networks = WindowCounts()
        self._all = WindowCounts()

    def count(self, network: str) -> None:
        """Count a request; `TooManyRequests` beyond either limit."""
        window = PER_NETWORK.window(self._clock)
        # The network first, so that one address cannot use up what others may.
        if self._networks.add(network, window) > PER_NETWORK.most:
            raise self._too_many("the address")
        if self._all.add(_ALL, IN_ALL.window(self._clock)) > IN_ALL.most:
            raise self._too_many("all addresses")

    def _too_many(self, of_whom: str) -> TooManyRequests:
        left = PER_NETWORK.seconds_left(self._clock)
        return TooManyRequests(f"too many registrations of {of_whom}", left)
