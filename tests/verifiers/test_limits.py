"""Floods of invented verifiers neither grow without limit nor hide real ones."""

from datetime import UTC, datetime, timedelta

from issuer.algorithms import AlgorithmInUse
from issuer.verifiers import LIVE_FOR, KnownVerifier
from issuer.verifiers.known_verifier import KEPT_FOR
from issuer.verifiers.limits import MOST, MOST_OF_AUDIENCE, MOST_OF_NETWORK, within_limits
from issuer.verifiers.report import VerifierIdentity, VerifierReport
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


def test_a_flood_from_one_network_displaces_no_other():
    flood = [verifier(f"2001:db8::{number:x}", number, first=9999) for number in range(3000)]
    kept = within_limits([*flood, *REAL], NOW)
    assert len([each for each in kept if each in flood]) == MOST_OF_NETWORK
    assert all(each in kept for each in REAL)


def test_a_flood_from_many_networks_hides_no_network_that_reported_before():
    flood = [verifier(f"10.0.{n // 250}.{n % 250}", first=5) for n in range(3000)]
    kept = within_limits([*flood, *REAL], NOW)
    assert len(kept) == MOST_OF_AUDIENCE
    assert {each.report.network for each in REAL} <= {each.report.network for each in kept}


def test_verifiers_of_all_audiences_together_are_limited():
    flood = [
        verifier(f"10.0.{n // 250}.{n % 250}", audience=f"os-{n % 10}", first=5)
        for n in range(10 * MOST_OF_AUDIENCE)
    ]
    assert len(within_limits([*flood, *REAL], NOW)) == MOST


def test_newcomers_do_not_displace_live_verifiers_of_their_network():
    before = [verifier("192.0.2.1", number, first=100) for number in range(MOST_OF_NETWORK)]
    later = [verifier("192.0.2.1", 1000 + number, first=1) for number in range(MOST_OF_NETWORK)]
    assert within_limits([*later, *before], NOW) == before


def test_processes_that_have_ended_make_room():
    over = [verifier("192.0.2.1", n, age=2 * LIVE_FOR, first=100) for n in range(MOST_OF_NETWORK)]
    live = verifier("192.0.2.1", 1000, first=1)
    assert live in within_limits([*over, live], NOW)


def test_verifiers_are_forgotten_after_a_day_whatever_the_clock_said():
    kept = [verifier("192.0.2.1", 1, age=KEPT_FOR), verifier("192.0.2.1", 2, age=-KEPT_FOR)]
    old = [verifier("192.0.2.1", 3, age=KEPT_FOR + SECOND)]
    ahead = [verifier("192.0.2.1", 4, age=-KEPT_FOR - SECOND)]
    assert set(map(id, within_limits([*kept, *old, *ahead], NOW))) == set(map(id, kept))
