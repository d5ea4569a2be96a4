"""Metrics that are read from the parts of a server when they are asked for. No queries."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from issuer import __version__
from issuer.audit.push.destination import PushFailure
from issuer.audit.push.pusher import Pusher, PushState
from issuer.clock import Clock
from issuer.keys import Keyring
from issuer.keys.described import come_into_each_state, in_each_state
from issuer.keys.schedule import active, retires_at
from issuer.revocations import RevocationView
from issuer.status.readiness import RunningServer
from issuer.telemetry.metrics import KEY_SETS
from issuer.telemetry.prometheus import GaugeOfWorkers, PrometheusMetrics, Values
from issuer.verifiers.known_verifier import next_keys_of
from issuer.verifiers.known_verifiers import ReportedVerifiers


def expose(server: RunningServer, metrics: PrometheusMetrics) -> None:
    """Show the state of these parts, too."""
    metrics.add(_Derived(server))
    metrics.watch({gauge: partial(read, server) for gauge, read in _GAUGES.items()})
    for pool in server.pools:
        for name in ("issuer_worker_pool_wait_seconds", "issuer_worker_pool_refusals"):
            metrics.begin(name, pool.name)


class _Derived(Collector):
    """From data that every worker has: keys, the feed, verifiers."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server

    def collect(self) -> Iterator[Metric]:
        server, text = self._server, "Always 1; the label is the version."
        yield _family("issuer_build_info", text, {(__version__,): 1}, "version")
        yield from _signing_keys(server.keyring, server.clock)
        yield from _revocation_feed(server.revocations)
        yield from audit_push(server.audit_pusher)
        yield from _verifiers(server.keyring, server.verifiers, server.clock)


def _signing_keys(keyring: Keyring, clock: Clock) -> Iterator[Metric]:
    keys, now = keyring.keys, clock()
    changes = {(state,): number for state, number in come_into_each_state(keys, now).items()}
    text = "Signing keys that have ever entered the state."
    yield _family("issuer_key_state_changes", text, changes, "state", of=CounterMetricFamily)
    text = "Signing keys that are in the state now."
    yield _family("issuer_signing_keys", text, in_each_state(keys, now), "alg", "state")
    retires: dict[tuple[str, ...], float] = {}
    for alg in sorted({key.alg for key in keys}):
        signing = active(keys, alg, now)
        if signing and (retirement := retires_at(keys, signing)):
            retires[alg,] = retirement.timestamp()
    text = "When the next key replaces the active key; absent while there is no next key."
    yield _family("issuer_signing_key_retires_timestamp_seconds", text, retires, "alg")


def _revocation_feed(view: RevocationView) -> Iterator[Metric]:
    revoked = view.revoked
    entries = {
        ("token",): len(revoked.tokens),
        ("session",): len(revoked.sessions),
        ("subject",): len(revoked.subjects),
        ("client",): len(revoked.clients),
        ("audience",): len(revoked.audiences),
    }
    text = "Entries of the revocation feed, by what they revoke."
    yield _family("issuer_revocation_feed_entries", text, entries, "kind")
    text = "The `iat` of the revocation feed; it moves while verifiers read the feed."
    issued_at = revoked.state.issued_at.timestamp()
    yield _family("issuer_revocation_feed_issued_timestamp_seconds", text, {(): issued_at})


def audit_push(pusher: Pusher | None) -> Iterator[Metric]:
    """How far audit events were sent elsewhere; zeros without a destination."""
    state = pusher.state if pusher else PushState()
    success = state.progress.last_success_at
    text = "Upper bound of the audit events that wait to be sent elsewhere."
    yield _family("issuer_audit_push_events_behind", text, {(): state.behind})
    text = "When the destination of audit events last acknowledged a batch; 0 if it never did."
    at = success.timestamp() if success else 0
    yield _family("issuer_audit_push_success_timestamp_seconds", text, {(): at})
    failures = {(each,): state.progress.failures.get(each, 0) for each in PushFailure}
    text = "Batches of audit events that were not acknowledged."
    yield _family("issuer_audit_push_failures", text, failures, "failure", of=CounterMetricFamily)


def _verifiers(keyring: Keyring, verifiers: ReportedVerifiers, clock: Clock) -> Iterator[Metric]:
    """Every worker reads all of them from the database each minute."""
    now = clock()
    next_keys = next_keys_of(keyring.keys, now)
    live: Counter[tuple[str, ...]] = Counter()
    lacking: Counter[tuple[str, ...]] = Counter()
    for identity, each in sorted(verifiers.known.items()):
        if each.is_live(now):
            live[identity.audience,] += 1
            lacking[identity.audience,] += each.missing(next_keys, now) is not None
    yield _family("issuer_verifiers", "Verifiers that reported just now.", live, "audience")
    text = "Those that do not hold the next key of the algorithm of their audience."
    yield _family("issuer_verifiers_lacking_next_key", text, lacking, "audience")
    left_out = verifiers.left_out
    number = left_out.number if left_out and left_out.is_recent(now) else 0
    text = "About how many verifiers were left out just now, since too many reported."
    yield _family("issuer_verifiers_left_out", text, {(): number})


def _family(
    name: str,
    text: str,
    numbers: Mapping[Any, float],
    *labels: str,
    of: type[CounterMetricFamily] | type[GaugeMetricFamily] = GaugeMetricFamily,
) -> Metric:
    family = of(name, text, labels=labels)
    for values, number in numbers.items():
        family.add_metric(values, number)
    return family


def _connections(server: RunningServer) -> Values:
    in_use, idle, _ = server.database.connections
    return {("in_use",): in_use, ("idle",): idle}


def _checkpoint(server: RunningServer) -> Values:
    covered = server.checkpoints.covered_at
    return {(): covered.timestamp() if covered else 0}


def _known_ages(server: RunningServer) -> Iterator[tuple[str, list[float], int]]:
    """For each of `KEY_SETS`: the ages of those that are held, and how many are followed."""
    ages = {each.of: each.ages() for each in server.key_sets()}
    for of in KEY_SETS:
        followed = ages.get(of, [])
        yield of, [age for age in followed if age is not None], len(followed)


def _key_sets(server: RunningServer) -> Values:
    return {
        (of, state): number
        for of, known, followed in _known_ages(server)
        for state, number in (("held", len(known)), ("missing", followed - len(known)))
    }


def _key_set_ages(server: RunningServer) -> Values:
    return {(of,): max(known, default=0) for of, known, _ in _known_ages(server)}


_Gauge = GaugeOfWorkers
_GAUGES: Mapping[GaugeOfWorkers, Callable[[RunningServer], Values]] = {
    _Gauge("issuer_workers", "Server processes that are running."): lambda _: {(): 1},
    _Gauge(
        "issuer_database_up", "1 unless the last use of the database failed.", mode="livemin"
    ): lambda server: {(): server.database.outage.cause is None},
    _Gauge(
        "issuer_database_connections", "Connections of the pool, by state.", ("state",)
    ): _connections,
    _Gauge(
        "issuer_database_connections_max", "Connections that the pools may open."
    ): lambda server: {(): server.database.connections[2]},
    _Gauge(
        "issuer_database_writers_waiting", "Threads that wait to write to SQLite."
    ): lambda server: {(): server.database.write_queue.waiting},
    _Gauge("issuer_audit_events_waiting", "Events that wait for the audit log."): lambda server: {
        (): server.audit_writer.waiting
    },
    _Gauge(
        "issuer_audit_writable", "1 unless the last commit of events failed.", mode="livemin"
    ): lambda server: {(): server.audit_writer.failure is None},
    _Gauge(
        "issuer_audit_checkpoint_timestamp_seconds",
        "When a checkpoint last covered all events; 0 if none did since the start.",
        mode="max",
    ): _checkpoint,
    _Gauge(
        "issuer_worker_pool_tasks", "Tasks that run or wait in a pool.", ("pool",)
    ): lambda server: {(pool.name,): pool.inside for pool in server.pools},
    _Gauge(
        "issuer_worker_pool_tasks_max", "Tasks beyond which a pool refuses.", ("pool",)
    ): lambda server: {(pool.name,): pool.most for pool in server.pools},
    _Gauge(
        "issuer_key_sets",
        "Key sets of other servers that are followed, by whether one is held.",
        ("of", "state"),
        mode="livemax",
    ): _key_sets,
    _Gauge(
        "issuer_key_set_age_seconds",
        "Seconds since the key set that was confirmed longest ago was confirmed.",
        ("of",),
        mode="livemax",
    ): _key_set_ages,
}
