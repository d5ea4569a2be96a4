"""A verifier as the database knows it. Pure functions: whether it is live, and what it lacks."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import chain
from typing import TypeAlias

from issuer.algorithms import AlgorithmInUse
from issuer.fields.networks import site_of
from issuer.keys import SigningKey
from issuer.keys.schedule import next_key
from issuer.verifiers.report import VerifierReport
from issuer.vocabulary import SigningAlgorithm

# A verifier reports once a minute, and its row is written as often: three reports may be missing.
LIVE_FOR = timedelta(minutes=3)
KEPT_FOR = timedelta(days=1)
WRITTEN_EVERY = timedelta(minutes=1)

NextKeys: TypeAlias = Mapping[SigningAlgorithm, str]


@dataclass(frozen=True, slots=True)
class KnownVerifier:
    """A verifier's last report, whose keys it holds since `changed_at`, and its algorithm."""

    report: VerifierReport
    algorithm: AlgorithmInUse
    first_seen_at: datetime
    changed_at: datetime

    def is_live(self, now: datetime) -> bool:
        """Whether it reported just now. A time in the future is of a clock that was wrong."""
        return abs(now - self.report.seen_at) <= LIVE_FOR

    def is_kept(self, now: datetime) -> bool:
        """Whether it reported in the last day."""
        return abs(now - self.report.seen_at) <= KEPT_FOR

    def missing(self, next_keys: NextKeys, now: datetime) -> str | None:
        """The `kid` of the next key of its audience's algorithm, if it does not hold it."""
        kid = next_keys.get(self.algorithm.at(now))
        return None if kid in self.report.kids else kid

    def is_due(self, report: VerifierReport, now: datetime) -> bool:
        """Whether the later `report` must be written: once a minute, and when its keys change.

        The latter at most once a minute as well: a caller may claim other keys each time.
        """
        before = self.report.seen_at
        if before > now + LIVE_FOR:
            return True  # it was written by a clock that was ahead
        changed = report.kids != self.report.kids and report.seen_at > before
        return report.seen_at - (self.changed_at if changed else before) >= WRITTEN_EVERY

    def after(self, report: VerifierReport) -> "KnownVerifier":
        """This verifier after that report."""
        if report.kids == self.report.kids:
            return replace(self, report=report)
        return replace(self, report=report, changed_at=report.seen_at)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """About so many verifiers were left out at `last_at`: what they hold is unknown."""

    number: int
    last_at: datetime

    def is_recent(self, now: datetime) -> bool:
        """Whether they may be live. A time in the future is of a clock that was wrong."""
        return abs(now - self.last_at) <= LIVE_FOR


def next_keys_of(keys: Iterable[SigningKey], now: datetime) -> dict[SigningAlgorithm, str]:
    """The `kid` that signs next, by algorithm."""
    keys = list(keys)
    found = {alg: next_key(keys, alg, now) for alg in {key.alg for key in keys}}
    return {alg: key.kid for alg, key in found.items() if key}


MOST = 2000
MOST_OF_AUDIENCE = 500
MOST_OF_NETWORK = 200


def within_limits(
    live: Iterable[KnownVerifier],
    newcomers: Iterable[KnownVerifier],
    ended: Iterable[KnownVerifier],
) -> list[KnownVerifier]:
    """Which verifiers to keep: live ones that are known, then newcomers, then ended ones.

    Of newcomers first one of each site, then of each a second, and so on; within a site likewise of
    each network. Known ones count for theirs.
    """
    live = sorted(live, key=lambda verifier: verifier.first_seen_at)
    ranked = sorted(newcomers, key=lambda verifier: verifier.first_seen_at)
    for group in (
        lambda verifier: verifier.report.network,
        lambda verifier: site_of(verifier.report.identity.address),
    ):
        ranked = _round_robin(ranked, group, Counter(map(group, live)))
    latest = sorted(ended, key=lambda verifier: verifier.report.seen_at, reverse=True)
    of_audience: Counter[str] = Counter()
    of_network: Counter[str] = Counter()
    kept: list[KnownVerifier] = []
    for verifier in chain(live, ranked, latest):
        audience, network = verifier.report.identity.audience, verifier.report.network
        if of_audience[audience] < MOST_OF_AUDIENCE and of_network[network] < MOST_OF_NETWORK:
            of_audience[audience] += 1
            of_network[network] += 1
            kept.append(verifier)
    return kept[:MOST]


def _round_robin(
    verifiers: Iterable[KnownVerifier], group: Callable[[KnownVerifier], str], before: Counter[str]
) -> list[KnownVerifier]:
    """One of each group, then a second of each; groups have so many `before` (round robin)."""
    turns = []
    for verifier in verifiers:
        before[group(verifier)] += 1
        turns.append((before[group(verifier)], verifier))
    return [each for _, each in sorted(turns, key=lambda turn: turn[0])]
