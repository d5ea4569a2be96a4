"""The limits that the settings ask for."""

from dataclasses import dataclass

from issuer.clock import Clock
from issuer.rate_limits.failure_limit import FailureLimit
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.request_limit import RequestLimit
from issuer.rate_limits.shared import SharedCounts
from issuer.settings import Settings


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Of a server; None for what is off."""

    failures: FailureLimit | None = None
    requests: RequestLimit | None = None
    shared: tuple[SharedCounts, ...] = ()

    async def open(self) -> None:
        """Make the connections."""
        for counts in self.shared:
            await counts.open()

    async def close(self) -> None:
        """End the connections."""
        for counts in self.shared:
            await counts.close()


def build_limits(settings: Settings, clock: Clock) -> RateLimits:
    """The limits of `settings`; `ConfigurationError` if they cannot be shared as it says."""
    failures, requests = (
        Rate.read(settings.rate_limit_failures),
        Rate.read(settings.rate_limit_requests),
    )
    with_failures = _shared(settings, clock, "failures", failures)
    with_requests = _shared(settings, clock, "requests", requests)
    return RateLimits(
        FailureLimit(failures, clock, with_failures) if failures else None,
        RequestLimit(requests, clock, with_requests) if requests else None,
        tuple(each for each in (with_failures, with_requests) if each),
    )


def _shared(settings: Settings, clock: Clock, what: str, rate: Rate | None) -> SharedCounts | None:
    if rate is None or settings.rate_limit_redis_url is None:
        return None
    url = settings.rate_limit_redis_url.get_secret_value()
    return SharedCounts(url, f"{settings.url}/{what}", rate.seconds, clock)
