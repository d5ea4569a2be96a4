"""The rate limits of a server, built from its settings."""

from dataclasses import dataclass

from issuer.clock import Clock
from issuer.metrics import Metrics
from issuer.rate_limits.failure_limit import FailureLimit
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.registration_limit import PER_NETWORK, RegistrationLimit
from issuer.rate_limits.request_limit import RequestLimit
from issuer.rate_limits.shared import SharedCounts
from issuer.settings import Settings


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rate limits of a server; None for a limit that is off."""

    failures: FailureLimit | None
    requests: RequestLimit | None
    registrations: RegistrationLimit
    shared: tuple[SharedCounts, ...] = ()

    async def open(self) -> None:
        """Connect to Redis, if the limits are shared."""
        for counts in self.shared:
            await counts.open()

    async def close(self) -> None:
        """Close the connections."""
        for counts in self.shared:
            await counts.close()


def build_limits(settings: Settings, clock: Clock, metrics: Metrics | None = None) -> RateLimits:
    """The limits of `settings`; `ConfigurationError` if the URL of Redis cannot be used."""
    failures, requests = (
        Rate.read(settings.rate_limit_failures),
        Rate.read(settings.rate_limit_requests),
    )
    with_failures = _shared(settings, clock, "failures", failures)
    with_requests = _shared(settings, clock, "requests", requests)
    registrations = PER_NETWORK if settings.client_registration != "off" else None
    with_registrations = _shared(settings, clock, "registrations", registrations)
    return RateLimits(
        FailureLimit(failures, clock, with_failures, metrics) if failures else None,
        RequestLimit(requests, clock, with_requests, metrics=metrics) if requests else None,
        RegistrationLimit(clock, with_registrations, metrics),
        tuple(each for each in (with_failures, with_requests, with_registrations) if each),
    )


def _shared(settings: Settings, clock: Clock, name: str, rate: Rate | None) -> SharedCounts | None:
    if rate is None or settings.rate_limit_redis_url is None:
        return None
    url = settings.rate_limit_redis_url.get_secret_value()
    return SharedCounts(url, f"{settings.url}/{name}", rate.seconds, clock)
