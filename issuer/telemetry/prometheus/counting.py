"""Counters and histograms of events."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric, generate_latest

from issuer.background.periodic import Periodic
from issuer.telemetry.metrics import (
    KEY_SETS,
    LIMITS,
    METHODS,
    OUTCOMES,
    TOO_MANY_REQUESTS,
    TRANSACTIONS,
    Metrics,
)
from issuer.telemetry.prometheus.derived import (
    AuditPush,
    BuildInfo,
    LiveVerifiers,
    RevocationFeed,
    SigningKeys,
)
from issuer.telemetry.prometheus.registries import new_registries
from issuer.telemetry.prometheus.requests import HttpRequests
from issuer.telemetry.prometheus.watching import Gauges, Watched
from issuer.users.attempts import Counted
from issuer.vocabulary import AuthorizationErrorCode, ErrorCode, GrantType

# In seconds. Most tokens take 1 to 10 ms, those with a password hash 50 to 500 ms.
_OF_TOKENS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.008, 0.01, 0.015, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 10.0),
)
_OF_TRANSACTIONS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 5.0, 30.0),
)
_OF_WAITS = (0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0)
_AT_AUTHORIZATION = [
    *AuthorizationErrorCode,
    ErrorCode.SERVER_ERROR,
    ErrorCode.TEMPORARILY_UNAVAILABLE,
]
_AT_REGISTRATION = [*ErrorCode, "invalid_token", "insufficient_scope", TOO_MANY_REQUESTS]
# How often a worker writes its gauges, which another one may be asked for.
_SET_EVERY = timedelta(seconds=5)


class PrometheusMetrics(Metrics):
    """Counts, and exposes the counts of all workers together."""

    is_stored = True

    def __init__(self) -> None:
        self._registries = new_registries()
        self._gauges: Gauges | None = None
        self._setting: Periodic | None = None
        own = self._registries.own
        self._count_tokens(own)
        self._count_people(own)
        self._count_registrations(own)
        self._count_database(own)
        self._count_queues(own)
        self._requests = HttpRequests(own)
        self._registries.add(BuildInfo())

    def watch(self, watched: Watched) -> None:
        """Show the state of these parts, too."""
        self._registries.add(SigningKeys(watched.keyring, watched.clock))
        self._registries.add(RevocationFeed(watched.tokens.revocations))
        self._registries.add(AuditPush(watched.audit_pusher))
        self._registries.add(LiveVerifiers(watched.keyring, watched.verifiers, watched.clock))
        self._gauges = Gauges(self._registries.own, watched)
        for pool in watched.pools:
            self._pool_wait.labels(pool.name)
            self._pool_refusals.labels(pool.name)
        if self._registries.are_of_workers:
            self._setting = Periodic("metrics", _SET_EVERY, self._gauges.set_all)

    def start(self) -> None:
        if self._setting is not None:
            self._set_gauges()  # now: in its file they are 0
            self._setting.start()

    def stop(self) -> None:
        if self._setting is not None:
            self._setting.stop()

    def exposition(self) -> bytes:
        """All of it, in the text format 0.0.4."""
        self._set_gauges()
        return generate_latest(self._registries.exposed)

    def of_this_process(self) -> Iterable[Metric]:
        """What this process counts and holds, without other workers."""
        self._set_gauges()
        return self._registries.own.collect()

    def _set_gauges(self) -> None:
        if self._gauges is not None:
            self._gauges.set_all()

    def _count_tokens(self, own: CollectorRegistry) -> None:
        issued = Counter(
            "issuer_tokens_issued", "Access tokens issued.", ["grant_type"], registry=own
        )
        # With a series that starts at 0, the first event is an increase.
        self._issued = {str(each): issued.labels(each) for each in GrantType}
        self._refused = _Refusals(
            "issuer_token_requests_refused",
            "Token requests refused, by the error in the answer.",
            [*ErrorCode, TOO_MANY_REQUESTS],
            own,
        )
        self._took = Histogram(
            "issuer_token_request_duration_seconds",
            "Time to answer a token request, without the delay after wrong credentials.",
            buckets=_OF_TOKENS,
            registry=own,
        )
        limited = Counter(
            "issuer_rate_limited", "Requests refused by a rate limit.", ["limit"], registry=own
        )
        self._limited = {each: limited.labels(each) for each in LIMITS}

    def _count_people(self, own: CollectorRegistry) -> None:
        checks = Counter(
            "issuer_sign_in_checks",
            "Passwords, passkeys and codes checked by the sign-in pages.",
            ["method", "outcome"],
            registry=own,
        )
        self._checks = {each: checks.labels(*each) for each in product(METHODS, OUTCOMES)}
        locks = Counter(
            "issuer_sign_in_locks",
            "Locks after too many wrong passwords, by what is locked.",
            ["of"],
            registry=own,
        )
        self._locks = {str(each): locks.labels(each.replace(" ", "_")) for each in Counted}
        self._codes = Counter(
            "issuer_authorization_codes_issued", "Authorization codes issued.", registry=own
        )
        self._authorizations_refused = _Refusals(
            "issuer_authorization_requests_refused",
            "Authorization requests refused, by the error.",
            _AT_AUTHORIZATION,
            own,
        )

    def _count_registrations(self, own: CollectorRegistry) -> None:
        self._registered = Counter(
            "issuer_clients_registered", "Clients that have registered themselves.", registry=own
        )
        self._registrations_refused = _Refusals(
            "issuer_client_registrations_refused",
            "Client registrations refused, by the error in the answer.",
            _AT_REGISTRATION,
            own,
        )
        fetched = Counter(
            "issuer_key_set_fetches",
            "Fetches of the key sets of other servers.",
            ["of", "outcome"],
            registry=own,
        )
        self._fetched = {
            (of, is_valid): fetched.labels(of, "succeeded" if is_valid else "failed")
            for of, is_valid in product(KEY_SETS, (True, False))
        }

    def _count_database(self, own: CollectorRegistry) -> None:
        took = Histogram(
            "issuer_database_transaction_duration_seconds",
            "Time of a transaction, with all that it waited for.",
            ["kind"],
            buckets=_OF_TRANSACTIONS,
            registry=own,
        )
        failed = Counter(
            "issuer_database_failures",
            "Transactions that failed since the database could not be used.",
            ["kind"],
            registry=own,
        )
        self._transactions = {each: took.labels(each) for each in TRANSACTIONS}
        self._failed = {each: failed.labels(each) for each in TRANSACTIONS}
        self._connection_wait = Histogram(
            "issuer_database_connection_wait_seconds",
            "Time to get a connection from the pool, or to open one.",
            buckets=_OF_WAITS,
            registry=own,
        )

    def _count_queues(self, own: CollectorRegistry) -> None:
        self._audit_wait = Histogram(
            "issuer_audit_wait_seconds",
            "Time that the first event of a commit has waited until it was durable.",
            buckets=_OF_TRANSACTIONS,
            registry=own,
        )
        self._audited = Counter(
            "issuer_audit_events", "Events of requests that became durable.", registry=own
        )
        self._pool_wait = Histogram(
            "issuer_worker_pool_wait_seconds",
            "Time until a thread of the pool took up a task.",
            ["pool"],
            buckets=_OF_WAITS,
            registry=own,
        )
        self._pool_refusals = Counter(
            "issuer_worker_pool_refusals",
            "Tasks refused since the pool was full.",
            ["pool"],
            registry=own,
        )

    def token_issued(self, grant_type: str) -> None:
        self._issued[grant_type].inc()

    def token_refused(self, error: str) -> None:
        self._refused.count(error)

    def token_request_took(self, seconds: float) -> None:
        self._took.observe(seconds)

    def request_answered(self, method: str, route: str, status: int | None, seconds: float) -> None:
        if status is not None:
            self._requests.count(method, route, status, seconds)

    def sign_in_checked(self, method: str, outcome: str) -> None:
        self._checks[method, outcome].inc()

    def sign_in_locked(self, what: str) -> None:
        self._locks[what].inc()

    def authorization_answered(self, error: str) -> None:
        if error:
            self._authorizations_refused.count(error)
        else:
            self._codes.inc()

    def client_registered(self) -> None:
        self._registered.inc()

    def registration_refused(self, error: str) -> None:
        self._registrations_refused.count(error)

    def rate_limited(self, limit: str) -> None:
        self._limited[limit].inc()

    def transaction_took(self, kind: str, seconds: float) -> None:
        self._transactions[kind].observe(seconds)

    def transaction_failed(self, kind: str) -> None:
        self._failed[kind].inc()

    def connection_took(self, seconds: float) -> None:
        self._connection_wait.observe(seconds)

    def audit_committed(self, events: int, seconds: float) -> None:
        self._audited.inc(events)
        self._audit_wait.observe(seconds)

    def pool_waited(self, pool: str, seconds: float) -> None:
        self._pool_wait.labels(pool).observe(seconds)

    def pool_refused(self, pool: str) -> None:
        self._pool_refusals.labels(pool).inc()

    def key_set_fetched(self, of: str, *, is_valid: bool) -> None:
        self._fetched[of, is_valid].inc()


class _Refusals:
    """A counter by error. An error that is none of `errors` counts as `server_error`."""

    def __init__(
        self, name: str, text: str, errors: Iterable[str], registry: CollectorRegistry
    ) -> None:
        counter = Counter(name, text, ["error"], registry=registry)
        self._of = {error: counter.labels(error) for error in errors}

    def count(self, error: str) -> None:
        self._of.get(error, self._of[ErrorCode.SERVER_ERROR]).inc()
