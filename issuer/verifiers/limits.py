"""Which verifiers are kept when more are reported than the limits allow. A pure function.

Anybody can report any number of them, so who reports many must not displace who reports few.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from issuer.verifiers.known_verifier import KnownVerifier

MOST = 2000
MOST_OF_AUDIENCE = 500
MOST_OF_NETWORK = 200


def within_limits(verifiers: Iterable[KnownVerifier], now: datetime) -> list[KnownVerifier]:
    """Those to keep: live ones first; of each network one, then of each a second, and so on.

    Within a network, live ones that were seen first: newcomers do not displace them.
    """
    of_network: Counter[str] = Counter()
    ranked = []
    for is_over, _, each in sorted(
        ((*_order(each, now), each) for each in verifiers if each.is_kept(now)), key=_first_two
    ):
        rank = of_network[each.report.network]
        of_network[each.report.network] += 1
        if rank < MOST_OF_NETWORK:
            ranked.append((is_over, rank, each))
    return _first_of_each_audience(each for *_, each in sorted(ranked, key=_first_two))


def _order(verifier: KnownVerifier, now: datetime) -> tuple[bool, float]:
    if verifier.is_live(now):
        return False, verifier.first_seen_at.timestamp()
    return True, -verifier.report.seen_at.timestamp()


def _first_two(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:2]


def _first_of_each_audience(ordered: Iterable[KnownVerifier]) -> list[KnownVerifier]:
    of_audience: Counter[str] = Counter()
    kept = []
    for each in ordered:
        of_audience[each.report.identity.audience] += 1
        if of_audience[each.report.identity.audience] <= MOST_OF_AUDIENCE:
            kept.append(each)
    return kept[:MOST]
