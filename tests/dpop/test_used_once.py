"""A proof counts once, whichever process gets it (RFC 9449 §11.1)."""

import asyncio
import threading
from collections import Counter
from datetime import timedelta

import pytest
from sqlalchemy import Connection, Engine, event

from issuer.composition import Composition, compose
from issuer.dpop import DPoPError, SentProof
from issuer.errors import TooManyRequests
from tests.builders import Deployment
from tests.dpop.proving import ProofKey, ProvingDriver
from tests.oauth.refreshing import events

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
    other.tokens.proofs.writer.start()
    return [deployment.services, other]


def test_of_64_requests_at_two_processes_one_has_used_the_proof(
    deployment: Deployment, processes: list[Composition]
):
    proof = sent(deployment)

    async def use() -> list[str]:
        return await asyncio.gather(*(outcome(each, proof) for each in processes * 32))

    outcomes = Counter(asyncio.run(use()))
    assert outcomes == {"used": 1, "jti of the proof was used before.": 63}
    processes[1].tokens.proofs.writer.stop()


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
    processes[1].tokens.proofs.writer.stop()


def test_the_same_jti_by_another_key_is_another_proof(deployment: Deployment):
    """Nobody can use up the proofs of others."""
    now = deployment.clock().timestamp()
    for key in (KEY, ProofKey()):
        proof = SentProof([key.proof(now, jti="one").encode()], "POST", "/oauth2/token")
        assert asyncio.run(outcome(deployment.services, proof)) == "used"


def test_a_proof_is_used_in_the_transaction_that_audits_its_token(
    deployment: Deployment,
):
    """Where the grant is decided from memory: a crash leaves both, or neither."""
    client, proving = deployment.client(scopes=["agents:run"]), ProvingDriver(deployment)
    assert proving.client_credentials(client).status == 200
    committed: list[str] = []

    def note(_: Connection) -> None:
        committed.append(threading.current_thread().name)

    event.listen(Engine, "commit", note)
    try:
        assert proving.client_credentials(client).status == 200
    finally:
        event.remove(Engine, "commit", note)
    assert [name for name in committed if name.endswith("-writer")] == ["proof-writer"]
    assert [each.actor for each in events(deployment, "token.issued")] == [client.client_id] * 2


def test_a_replay_leaves_no_event_of_a_token(deployment: Deployment):
    client, proving = deployment.client(scopes=["agents:run"]), ProvingDriver(deployment)
    headers = {"DPoP": proving.proof()}
    form, auth = {"grant_type": "client_credentials"}, (client.client_id, client.client_secret)
    answers = [proving.post(data=form, auth=auth, headers=headers) for _ in range(3)]
    assert [each.status for each in answers] == [200, 400, 400]
    assert len(events(deployment, "token.issued")) == 1


def test_a_key_has_a_bounded_number_of_proofs(deployment: Deployment):
    used = deployment.services.tokens.proofs._used
    used.most = 5

    async def use_many() -> int:
        accepted = 0
        while True:
            try:
                accepted += await outcome(deployment.services, sent(deployment)) == "used"
            except TooManyRequests:
                return accepted

    assert 5 <= asyncio.run(use_many()) <= 105
