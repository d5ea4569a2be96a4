"""Floods of invented verifiers neither grow without limit nor hide real ones."""

from datetime import UTC, datetime, timedelta

from issuer.algorithms import AlgorithmInUse
from issuer.verifiers.known_verifier import (
    MOST,
    MOST_OF_AUDIENCE,
    MOST_OF_NETWORK,
    KnownVerifier,
    VerifierIdentity,
    VerifierReport,
    within_limits,
)
from issuer.vocabulary import SigningAlgorithm

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def verifier(
    address: str, number: int = 0, audience: str = "my-os", age: timedelta = SECOND, first: int = 60
) -> KnownVerifier:
    """Seen `age` ago, and for the first time `first` seconds before."""
    seen_at = NOW - age
    identity = VerifierIdentity(audience, address, f"instance-{number}")
    said = VerifierReport(identity, "0.1.0", None, (), None, seen_at)
    begun = seen_at - first * SECOND
    return KnownVerifier(said, AlgorithmInUse(SigningAlgorithm.ES256), begun, begun)


REAL = [verifier(f"192.0.2.{number}", each) for number in range(3) for each in range(4)]


def flood(number: int, audiences: tuple[str, ...] = ("my-os",)) -> list[KnownVerifier]:
    """From so many networks, each of a site of its own."""
    return [
        verifier(f"10.{n // 250}.{n % 250}.1", audience=audiences[n % len(audiences)])
        for n in range(number)
    ]


def test_a_flood_from_many_networks_displaces_no_known_live_verifier():
    invented = [verifier(f"10.{n // 250}.{n % 250}.1", first=9999) for n in range(3000)]
    kept = within_limits(REAL, invented, [])
    assert kept[: len(REAL)] == REAL
    assert len(kept) == MOST_OF_AUDIENCE


def test_of_newcomers_each_site_has_one_before_another_has_a_second():
    """Whoever has a /48, or a /24, has many networks."""
    attackers = [
        *(verifier(f"2001:db8:1:{n:x}::1", n, first=9999) for n in range(1000)),
        *(verifier(f"198.51.100.{n % 250}", n, first=9999) for n in range(1000)),
    ]
    honest = [verifier(f"2001:db8:{n + 2:x}::1", n) for n in range(100)]
    kept = within_limits([], [*attackers, *honest], [])
    assert {*map(id, honest)} <= {*map(id, kept)}


def test_known_verifiers_count_for_their_network():
    known = [verifier("192.0.2.1", n) for n in range(100)]
    more, others = verifier("192.0.2.1", 9000, first=9999), flood(MOST_OF_AUDIENCE - 100)
    assert more not in within_limits(known, [more, *others], [])
    assert more in within_limits(known, [more, *others[1:]], [])


def test_verifiers_of_one_network_and_of_all_audiences_together_are_limited():
    assert len(within_limits([], flood(10 * MOST_OF_AUDIENCE, tuple("abcdefghij")), [])) == MOST
    of_one = [verifier(f"2001:db8::{n:x}", n) for n in range(3000)]
    assert len(within_limits([], of_one, [])) == MOST_OF_NETWORK


def test_processes_that_have_ended_make_room():
    over = [verifier("192.0.2.1", n, first=100) for n in range(MOST_OF_NETWORK)]
    live = verifier("192.0.2.1", 1000, first=1)
    assert within_limits([], [live], over)[0] is live
