"""Metrics that follow from data which every worker has: keys, verifiers, the feed, the version."""

from collections import Counter
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from issuer import __version__
from issuer.audit.push import Pusher, PushFailure, PushState
from issuer.clock import Clock
from issuer.keys import Keyring
from issuer.keys.described import come_into_each_state, in_each_state
from issuer.keys.schedule import active, retires_at
from issuer.revocations import RevocationView
from issuer.verifiers import ReportedVerifiers
from issuer.verifiers.known_verifier import next_keys_of


class BuildInfo(Collector):
    """The version of the server."""

    def collect(self) -> Iterator[Metric]:
        info = GaugeMetricFamily(
            "issuer_build_info", "Always 1; the label is the version.", labels=["version"]
        )
        info.add_metric([__version__], 1)
        yield info


class SigningKeys(Collector):
    """Derived from the dates of the keys."""

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


class RevocationFeed(Collector):
    """What the feed holds."""

    def __init__(self, view: RevocationView) -> None:
        self._view = view

    def collect(self) -> Iterator[Metric]:
        revoked = self._view.revoked
        entries = GaugeMetricFamily(
            "issuer_revocation_feed_entries",
            "Entries of the revocation feed, by what they revoke.",
            labels=["kind"],
        )
        for kind, held in (
            ("token", revoked.tokens),
            ("session", revoked.sessions),
            ("subject", revoked.subjects),
            ("client", revoked.clients),
            ("audience", revoked.audiences),
        ):
            entries.add_metric([kind], len(held))
        issued = GaugeMetricFamily(
            "issuer_revocation_feed_issued_timestamp_seconds",
            "The `iat` of the revocation feed; it moves while verifiers read the feed.",
        )
        issued.add_metric([], revoked.state.issued_at.timestamp())
        yield from (entries, issued)


class AuditPush(Collector):
    """How far audit events were sent elsewhere; zeros without a destination."""

    def __init__(self, pusher: Pusher | None) -> None:
        self._pusher = pusher

    def collect(self) -> Iterator[Metric]:
        state = self._pusher.state if self._pusher else PushState()
        success = state.progress.last_success_at
        yield GaugeMetricFamily(
            "issuer_audit_push_events_behind",
            "Upper bound of the audit events that wait to be sent elsewhere.",
            value=state.behind,
        )
        yield GaugeMetricFamily(
            "issuer_audit_push_success_timestamp_seconds",
            "When the destination of audit events last acknowledged a batch; 0 if it never did.",
            value=success.timestamp() if success else 0,
        )
        failures = CounterMetricFamily(
            "issuer_audit_push_failures",
            "Batches of audit events that were not acknowledged.",
            labels=["failure"],
        )
        for failure in PushFailure:
            failures.add_metric([failure], state.progress.failures.get(failure, 0))
        yield failures


class LiveVerifiers(Collector):
    """What they reported. Every worker reads all of them from the database each minute."""

    def __init__(self, keyring: Keyring, verifiers: ReportedVerifiers, clock: Clock) -> None:
        self._keyring = keyring
        self._verifiers = verifiers
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        now = self._clock()
        next_keys = next_keys_of(self._keyring.keys, now)
        live: Counter[str] = Counter()
        lacking: Counter[str] = Counter()
        for each in self._verifiers.known.values():
            if each.is_live(now):
                audience = each.report.identity.audience
                live[audience] += 1
                lacking[audience] += each.missing(next_keys, now) is not None
        yield _by_audience("issuer_verifiers", "Verifiers that reported just now.", live)
        yield _by_audience(
            "issuer_verifiers_lacking_next_key",
            "Those that do not hold the next key of the algorithm of their audience.",
            lacking,
        )
        left_out = self._verifiers.left_out
        yield GaugeMetricFamily(
            "issuer_verifiers_left_out",
            "About how many verifiers were left out just now, since too many reported.",
            left_out.number if left_out and left_out.is_recent(now) else 0,
        )


def _by_audience(name: str, text: str, numbers: Mapping[str, int]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=["audience"])
    for audience, number in sorted(numbers.items()):
        gauge.add_metric([audience], number)
    return gauge
