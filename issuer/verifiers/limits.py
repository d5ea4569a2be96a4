"""Which verifiers are kept when more are reported than the limits allow. A pure function.

Anybody can report any number of them. So many reports from one network must not displace few from
another, and no report displaces a live verifier that is known already.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain

from issuer.fields.networks import site_of
from issuer.verifiers.known_verifier import KnownVerifier

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
    live = sorted(live, key=lambda each: each.first_seen_at)
    ranked = sorted(newcomers, key=lambda each: each.first_seen_at)
    for group in (_network, _site):
        ranked = _round_robin(ranked, group, Counter(map(group, live)))
    latest = sorted(ended, key=lambda each: each.report.seen_at, reverse=True)
    return _up_to_the_limits(chain(live, ranked, latest))


def _round_robin(
    verifiers: Iterable[KnownVerifier],
    group: Callable[[KnownVerifier], str],
    before: Counter[str],
) -> list[KnownVerifier]:
    """One of each group, then a second of each; groups have so many `before` (round robin)."""
    turns = []
    for each in verifiers:
        before[group(each)] += 1
        turns.append((before[group(each)], each))
    return [each for _, each in sorted(turns, key=lambda turn: turn[0])]


def _up_to_the_limits(ordered: Iterable[KnownVerifier]) -> list[KnownVerifier]:
    of_audience: Counter[str] = Counter()
    of_network: Counter[str] = Counter()
    kept: list[KnownVerifier] = []
    for each in ordered:
        audience, network = each.report.identity.audience, _network(each)
        if of_audience[audience] < MOST_OF_AUDIENCE and of_network[network] < MOST_OF_NETWORK:
            of_audience[audience] += 1
            of_network[network] += 1
            kept.append(each)
    return kept[:MOST]


def _network(verifier: KnownVerifier) -> str:
    return verifier.report.network


def _site(verifier: KnownVerifier) -> str:
    return site_of(verifier.report.identity.address)
