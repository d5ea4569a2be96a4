"""The rate limits of a server, built from its settings."""

from dataclasses import dataclass

from issuer.clock import Clock
from issuer.errors import TooManyRequests
from issuer.rate_limits.outcome_limit import OutcomeLimit, UserLimited
from issuer.rate_limits.rate import Rate
from issuer.rate_limits.request_limits import PER_NETWORK, RegistrationLimit, RequestLimit
from issuer.rate_limits.shared import SharedCounts
from issuer.settings import Settings
from issuer.telemetry.metrics import PASSWORDS, Metrics

_USERS_OF_A_NETWORK = 10  # as many may have all their passwords


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rate limits of a server; None for a limit that is off."""

    failures: OutcomeLimit | None
    requests: RequestLimit | None
    registrations: RegistrationLimit
    passwords_of_user: OutcomeLimit | None
    passwords_of_network: OutcomeLimit | None
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
    failures, requests, of_user = (
        Rate.read(settings.rate_limit_failures),
        Rate.read(settings.rate_limit_requests),
        Rate.read(settings.rate_limit_passwords),
    )
    of_network = of_user and Rate(_USERS_OF_A_NETWORK * of_user.most, of_user.seconds)
    with_failures = _shared(settings, clock, "failures", failures)
    with_requests = _shared(settings, clock, "requests", requests)
    with_users = _shared(settings, clock, "passwords-of-user", of_user)
    with_networks = _shared(settings, clock, "passwords-of-network", of_network)
    registrations = PER_NETWORK if settings.client_registration != "off" else None
    with_registrations = _shared(settings, clock, "registrations", registrations)
    all_shared = (with_failures, with_requests, with_registrations, with_users, with_networks)
    return RateLimits(
        OutcomeLimit(failures, clock, with_failures, metrics) if failures else None,
        RequestLimit(requests, clock, with_requests, metrics=metrics) if requests else None,
        RegistrationLimit(clock, with_registrations, metrics),
        _passwords("user", of_user, UserLimited, clock, with_users, metrics),
        _passwords("address", of_network, TooManyRequests, clock, with_networks, metrics),
        tuple(each for each in all_shared if each),
    )


def _passwords(
    of: str,
    rate: Rate | None,
    error: type[TooManyRequests],
    clock: Clock,
    shared: SharedCounts | None,
    metrics: Metrics | None,
) -> OutcomeLimit | None:
    if rate is None:
        return None
    what = f"right or new passwords of the {of}"
    return OutcomeLimit(rate, clock, shared, metrics, what=what, limit=PASSWORDS, error=error)


def _shared(settings: Settings, clock: Clock, name: str, rate: Rate | None) -> SharedCounts | None:
    if rate is None or settings.rate_limit_redis_url is None:
        return None
    url = settings.rate_limit_redis_url.get_secret_value()
    return SharedCounts(url, f"{settings.url}/{name}", rate.seconds, clock)
