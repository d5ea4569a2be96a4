"""The memory of used proofs of a verifier: each counts once, and no client fills it for others."""

from dataclasses import replace

import pytest

from issuer.agentos import possession
from issuer.agentos.dpop import MAX_AGE, RequestProof
from issuer.agentos.errors import InvalidConfiguration, InvalidProof
from issuer.agentos.possession import UsedProofs
from issuer.agentos.verifier import Verifier

PROOF = RequestProof("key-1", "jti-1", "ath")


class MonotonicClock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> MonotonicClock:
    return MonotonicClock()


@pytest.fixture
def used(clock: MonotonicClock) -> UsedProofs:
    return UsedProofs(clock)


def test_a_proof_counts_once_for_as_long_as_it_can_be_valid(
    used: UsedProofs, clock: MonotonicClock
) -> None:
    """Its iat may be in the future by as much as it may be old."""
    used.use(PROOF)
    clock.now += 2 * MAX_AGE - 1
    with pytest.raises(InvalidProof, match="used before"):
        used.use(PROOF)


def test_keys_may_choose_the_same_jti(used: UsedProofs) -> None:
    used.use(PROOF)
    used.use(replace(PROOF, jkt="key-2"))


def test_a_key_cannot_fill_the_memory_for_others(
    used: UsedProofs, clock: MonotonicClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is full refuses; what is too old is forgotten."""
    monkeypatch.setattr(possession, "MAX_PROOFS_OF_A_KEY", 3)
    monkeypatch.setattr(possession, "MAX_PROOFS", 5)
    for number in range(3):
        used.use(replace(PROOF, jti=str(number)))
    with pytest.raises(InvalidProof, match="too many"):
        used.use(PROOF)
    for number in range(2):
        used.use(replace(PROOF, jkt="key-2", jti=str(number)))
    with pytest.raises(InvalidProof, match="too many"):
        used.use(replace(PROOF, jkt="key-3"))
    clock.now += 2 * MAX_AGE
    for number in range(3):
        used.use(replace(PROOF, jti=str(number)))


def test_what_cannot_work_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidConfiguration, match="needs url"):
        Verifier("https://id.example", "my-os", dpop="require")
    partner = Verifier("https://partner.example", "my-os", url="https://os.example", dpop="require")
    with pytest.raises(InvalidConfiguration, match="that has others"):
        Verifier("https://id.example", "my-os", others=[partner])
    with pytest.raises(InvalidConfiguration, match='"accept" or "require"'):
        Verifier("https://id.example", "my-os", dpop="on")  # type: ignore[arg-type]
