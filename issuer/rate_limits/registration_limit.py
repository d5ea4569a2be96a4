"""The limit of registrations of clients, for an address and for all of them."""

from issuer.clock import Clock
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.request_limit import RequestLimit
from issuer.rate_limits.shared import SharedCounts
from issuer.telemetry.metrics import REGISTRATIONS, Metrics

PER_NETWORK = Rate(20, 60)
IN_ALL = Rate(100, 60)
_ALL = "all"


class RegistrationLimit:
    """For the event loop only."""

    def __init__(
        self, clock: Clock, shared: SharedCounts | None = None, metrics: Metrics | None = None
    ) -> None:
        """`shared` counts for a minute."""
        of_network, of_all = "registrations of the address", "registrations of all addresses"
        counted = (REGISTRATIONS, metrics)
        self._of_network = RequestLimit(PER_NETWORK, clock, shared, of_network, *counted)
        self._of_all = RequestLimit(IN_ALL, clock, shared, of_all, *counted)

    async def count(self, network: str) -> None:
        """Count a request; `TooManyRequests` beyond either limit."""
        # The network first, so that one address cannot use up what others may.
        await self._of_network.count(network)
        await self._of_all.count(_ALL)
