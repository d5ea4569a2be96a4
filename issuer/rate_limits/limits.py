"""The rate limits of a server, built from its settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from issuer.clock import Clock
from issuer.rate_limits.outcome_limit import OutcomeLimit
from issuer.rate_limits.request_limits import PER_NETWORK, PublicLimit, Rate, RequestLimit
from issuer.rate_limits.shared import SharedCounts
from issuer.settings import Settings
from issuer.telemetry.metrics import LOGOUTS, NO_METRICS, PASSWORD_RESETS, PASSWORDS, Metrics

_USERS_OF_A_NETWORK = 10  # as many may have all their passwords
# Of a network. The browsers of a company send some for sessions that have ended already.
_UNKNOWN_SESSIONS = Rate(60, 60)


@dataclass(frozen=True, slots=True)
class RateLimits:
    """The rate limits of a server; None for a limit that is off."""

    failures: OutcomeLimit | None
    requests: RequestLimit | None
    registrations: PublicLimit
    password_resets: PublicLimit
    unknown_sessions: OutcomeLimit
    passwords_of_user: OutcomeLimit | None
    passwords_of_network: OutcomeLimit | None
    shared: Sequence[SharedCounts]

    async def open(self) -> None:
        """Connect to Redis, if the limits are shared."""
        for counts in self.shared:
            await counts.open()

    async def close(self) -> None:
        """Close the connections."""
        for counts in self.shared:
            await counts.close()


def build_limits(settings: Settings, clock: Clock, metrics: Metrics = NO_METRICS) -> RateLimits:
    """The limits of `settings`; `ConfigurationError` if the URL of Redis cannot be used."""
    shared: list[SharedCounts] = []

    def counts(name: str, rate: Rate) -> SharedCounts | None:
        if settings.rate_limit_redis_url is None:
            return None
        url = settings.rate_limit_redis_url.get_secret_value()
        shared.append(SharedCounts(url, f"{settings.url}/{name}", rate.seconds, clock))
        return shared[-1]

    def passwords(name: str, rate: Rate | None, whose: str) -> OutcomeLimit | None:
        if rate is None:
            return None
        what = f"right or new passwords of the {whose}"
        return OutcomeLimit(rate, clock, counts(name, rate), metrics, what=what, limit=PASSWORDS)

    failures = Rate.read(settings.rate_limit_failures)
    requests = Rate.read(settings.rate_limit_requests)
    of_user = Rate.read(settings.rate_limit_passwords)
    of_network = of_user and Rate(_USERS_OF_A_NETWORK * of_user.most, of_user.seconds)
    is_open = settings.client_registration != "off"
    return RateLimits(
        OutcomeLimit(failures, clock, counts("failures", failures), metrics) if failures else None,
        RequestLimit(requests, clock, counts("requests", requests), metrics=metrics)
        if requests
        else None,
        PublicLimit(clock, counts("registrations", PER_NETWORK) if is_open else None, metrics),
        PublicLimit(
            clock,
            counts("password-resets", PER_NETWORK) if settings.smtp_url else None,
            metrics,
            what="password resets",
            limit=PASSWORD_RESETS,
        ),
        OutcomeLimit(
            _UNKNOWN_SESSIONS,
            clock,
            counts("unknown-sessions", _UNKNOWN_SESSIONS),
            metrics,
            what="front-channel logouts of unknown sessions from the address",
            limit=LOGOUTS,
        ),
        passwords("passwords-of-user", of_user, "user"),
        passwords("passwords-of-network", of_network, "address"),
        shared,
    )
