"""A proof counts once, whichever process gets it (RFC 9449 §11.1)."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from issuer.composition import Composition, compose
from issuer.dpop import DPoPError, SentProof
from issuer.errors import TooManyRequests
from tests.builders import Deployment
from tests.dpop.proving import ProofKey

KEY = ProofKey()


def sent(deployment: Deployment, **changed: str) -> SentProof:
    proof = KEY.proof(deployment.clock().timestamp(), **changed)
    return SentProof([proof.encode()], "POST", "/oauth2/token")


async def outcome(process: Composition, proof: SentProof) -> str:
    proofs = process.tokens.proofs
    try:
        await proofs.use(proofs.check(proof))
    except DPoPError as error:
        return str(error)
    return "used"


@pytest.fixture
def processes(deployment: Deployment) -> list[Composition]:
    """That of the deployment, and another one."""
    other = compose(deployment.services.settings, deployment.clock)
    other.tokens.used_proofs.writer.start()
    return [deployment.services, other]


def test_of_64_requests_at_two_processes_one_has_used_the_proof(
    deployment: Deployment, processes: list[Composition]
):
    proof = sent(deployment)

    async def use() -> list[str]:
        return await asyncio.gather(*(outcome(each, proof) for each in processes * 32))

    outcomes = Counter(asyncio.run(use()))
    assert outcomes == {"used": 1, "jti of the proof was used before.": 63}
    processes[1].tokens.used_proofs.writer.stop()


def test_a_proof_is_remembered_for_as_long_as_any_process_accepts_it(
    deployment: Deployment, processes: list[Composition]
):
    proof = sent(deployment)
    assert asyncio.run(outcome(processes[0], proof)) == "used"
    for _ in range(6):
        processes[0].tokens.cleanup_assertions()
        assert asyncio.run(outcome(processes[1], proof)) == "jti of the proof was used before."
        deployment.clock.move(timedelta(seconds=10))
    deployment.clock.move(timedelta(seconds=1))
    assert asyncio.run(outcome(processes[1], proof)).startswith("iat of the proof")
    processes[1].tokens.used_proofs.writer.stop()


def test_the_same_jti_by_another_key_is_another_proof(deployment: Deployment):
    """Nobody can use up the proofs of others."""
    now = deployment.clock().timestamp()
    for key in (KEY, ProofKey()):
        proof = SentProof([key.proof(now, jti="one").encode()], "POST", "/oauth2/token")
        assert asyncio.run(outcome(deployment.services, proof)) == "used"


def test_a_key_has_a_bounded_number_of_proofs(deployment: Deployment):
    used = deployment.services.tokens.used_proofs
    used.most = 5

    async def use_many() -> int:
        accepted = 0
        while True:
            try:
                accepted += await outcome(deployment.services, sent(deployment)) == "used"
            except TooManyRequests:
                return accepted

    assert 5 <= asyncio.run(use_many()) <= 105
