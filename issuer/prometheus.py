"""The metrics for Prometheus. Import it only where metrics are on: the library needs memory.

Several workers count in files, which the library adds up; those of an ended worker stay, since
no count may go down. Labels have few, fixed values: none comes from a caller.
"""

import os
from collections.abc import Iterable, Iterator
from itertools import product

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from issuer.clock import Clock
from issuer.errors import ConfigurationError
from issuer.keys import Keyring
from issuer.keys.counting import come_into_each_state, in_each_state
from issuer.keys.schedule import active, retires_at
from issuer.metrics import FOLDER_OF_WORKERS, METHODS, OUTCOMES, TOO_MANY_REQUESTS, Metrics
from issuer.vocabulary import AuthorizationErrorCode, ErrorCode

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_AT_AUTHORIZATION = [
    *AuthorizationErrorCode,
    ErrorCode.SERVER_ERROR,
    ErrorCode.TEMPORARILY_UNAVAILABLE,
]
_AT_REGISTRATION = [*ErrorCode, "invalid_token", "insufficient_scope", TOO_MANY_REQUESTS]


class PrometheusMetrics(Metrics):
    """Counts, and exposes the counts of all workers together."""

    def __init__(self, keyring: Keyring, clock: Clock, grant_types: Iterable[str]) -> None:
        self._registry = CollectorRegistry()
        # Files do not hold the creation time of a counter: one worker must expose what many do.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        # With several workers, the library collects from the files, not from the registry.
        counting = None if _collects_from_files(self._registry) else self._registry
        issued = Counter(
            "issuer_tokens_issued",
            "Access tokens issued.",
            ["grant_type"],
            registry=counting,
        )
        # With a series that starts at 0, the first event is an increase.
        self._issued = {each: issued.labels(each) for each in grant_types}
        self._refused = _Refusals(
            "issuer_token_requests_refused",
            "Token requests refused, by the error in the answer.",
            [*ErrorCode, TOO_MANY_REQUESTS],
            counting,
        )
        checks = Counter(
            "issuer_sign_in_checks",
            "Passwords, passkeys and codes checked by the sign-in pages.",
            ["method", "outcome"],
            registry=counting,
        )
        self._checks = {each: checks.labels(*each) for each in product(METHODS, OUTCOMES)}
        self._codes = Counter(
            "issuer_authorization_codes_issued",
            "Authorization codes issued.",
            registry=counting,
        )
        self._authorizations_refused = _Refusals(
            "issuer_authorization_requests_refused",
            "Authorization requests refused, by the error.",
            _AT_AUTHORIZATION,
            counting,
        )
        self._registered = Counter(
            "issuer_clients_registered",
            "Clients that have registered themselves.",
            registry=counting,
        )
        self._registrations_refused = _Refusals(
            "issuer_client_registrations_refused",
            "Client registrations refused, by the error in the answer.",
            _AT_REGISTRATION,
            counting,
        )
        self._took = Histogram(
            "issuer_token_request_duration_seconds",
            "Time to answer a token request, without the delay after wrong credentials.",
            buckets=_SECONDS,
            registry=counting,
        )
        self._registry.register(_SigningKeys(keyring, clock))

    def token_issued(self, grant_type: str) -> None:
        self._issued[grant_type].inc()

    def token_refused(self, error: str) -> None:
        self._refused.count(error)

    def sign_in_checked(self, method: str, outcome: str) -> None:
        self._checks[method, outcome].inc()

    def authorization_answered(self, error: str) -> None:
        if error:
            self._authorizations_refused.count(error)
        else:
            self._codes.inc()

    def client_registered(self) -> None:
        self._registered.inc()

    def registration_refused(self, error: str) -> None:
        self._registrations_refused.count(error)

    def token_request_took(self, seconds: float) -> None:
        self._took.observe(seconds)

    def exposition(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        return generate_latest(self._registry)


class _Refusals:
    """A counter by error. An error that is none of `errors` counts as `server_error`."""

    def __init__(
        self, name: str, text: str, errors: Iterable[str], registry: CollectorRegistry | None
    ) -> None:
        counter = Counter(name, text, ["error"], registry=registry)
        self._of = {error: counter.labels(error) for error in errors}

    def count(self, error: str) -> None:
        self._of.get(error, self._of[ErrorCode.SERVER_ERROR]).inc()


class _SigningKeys(Collector):
    """Derived from the dates of the keys, which every worker knows."""

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        keys, now = self._keyring.keys, self._clock()
        changes = CounterMetricFamily(
            "issuer_key_state_changes",
            "Signing keys that have ever entered the state.",
            labels=["state"],
        )
        for state, number in come_into_each_state(keys, now).items():
            changes.add_metric([state], number)
        in_state = GaugeMetricFamily(
            "issuer_signing_keys",
            "Signing keys that are in the state now.",
            labels=["alg", "state"],
        )
        for (alg, state), number in in_each_state(keys, now).items():
            in_state.add_metric([alg, state], number)
        retires = GaugeMetricFamily(
            "issuer_signing_key_retires_timestamp_seconds",
            "When the next key replaces the active key; absent while there is no next key.",
            labels=["alg"],
        )
        for alg in sorted({key.alg for key in keys}):
            signing = active(keys, alg, now)
            if signing and (retirement := retires_at(keys, signing)):
                retires.add_metric([alg], retirement.timestamp())
        yield from (changes, in_state, retires)


def _collects_from_files(registry: CollectorRegistry) -> bool:
    """True if several workers count together in the folder of the environment variable."""
    folder = os.environ.get(FOLDER_OF_WORKERS)
    if not folder:
        # Only of a single process: with several, each scrape would reach another.
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        return False
    try:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    except ValueError:
        raise ConfigurationError(f"{FOLDER_OF_WORKERS} is not a folder: {folder}.") from None
    return True
