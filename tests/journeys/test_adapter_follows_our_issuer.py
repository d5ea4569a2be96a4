"""An AgentOS with the adapter accepts tokens of our running server across key rotation."""

import random
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event

import jwt
import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import AGNO_2_9, AGNO_3_1, AgnoRelease
from tests.agentos.running import AgentOSServer
from tests.builders import OPERATOR, Credentials
from tests.journeys.running_issuer import RunningIssuer, polls, wait_until

SECONDS_OF_ROTATIONS = {AGNO_2_9: 10, AGNO_3_1: 60}
CALLERS = 4
SHORT = {
    "key_sign_for": "1s",
    "key_announce_for": "1s",
    "jwks_max_age": "1s",
    "jwks_max_stale": "0s",
    "access_token_ttl": "300s",
}
pytestmark = pytest.mark.slow


@pytest.fixture(params=SECONDS_OF_ROTATIONS, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    (tmp_path / "issuer").mkdir()
    with RunningIssuer(tmp_path / "issuer", **SHORT) as issuer:
        yield issuer


@pytest.fixture
def agent_os(
    release: AgnoRelease, issuer: RunningIssuer, tmp_path: Path
) -> Iterator[AgentOSServer]:
    with running_apps(release, tmp_path, {"app": AppSettings("managed", issuer)}) as apps:
        yield apps["app"].os


def test_no_valid_token_is_refused_and_tokens_of_a_revoked_key_are(
    agent_os: AgentOSServer, issuer: RunningIssuer
) -> None:
    """With a new key about every second, and tokens of each key all the time."""
    client = issuer.deployment.client(scopes=["agents:read"])
    tokens = issued_over_rotations(agent_os, issuer, client)
    revoked = kid_of(tokens[-1])
    of_the_revoked = [token for token in tokens if kid_of(token) == revoked]
    of_others = [token for token in tokens if kid_of(token) != revoked]
    with issuer.deployment.services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(revoked)
    wait_until(lambda: not is_accepted(agent_os, tokens[-1]), 60, "the revoked key was noticed")
    assert not any(is_accepted(agent_os, token) for token in of_the_revoked)
    assert all(is_accepted(agent_os, token) for token in of_others)


def issued_over_rotations(
    agent_os: AgentOSServer, issuer: RunningIssuer, client: Credentials
) -> list[str]:
    """The last tokens, each of which was accepted every time."""
    seconds = SECONDS_OF_ROTATIONS[agent_os.release]
    valid: deque[str] = deque([issuer.token_endpoint.client_credentials(client).token], 300)
    kids: set[str] = set()
    over = Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        show = partial(use_repeatedly, agent_os, valid, over)
        callers = [pool.submit(show) for _ in range(CALLERS)]
        try:
            for _ in polls(seconds):
                token = issuer.token_endpoint.client_credentials(client).token
                valid.append(token)
                kids.add(kid_of(token))
                assert is_accepted(agent_os, token), f"a new token of key {len(kids)} was refused"
        finally:
            over.set()
    assert min(caller.result() for caller in callers) > seconds
    assert len(kids) > seconds / 4
    return list(valid)


def use_repeatedly(agent_os: AgentOSServer, valid: deque[str], over: Event) -> int:
    """How often a valid token was sent and accepted, until `over` is set."""
    sent = 0
    while not over.is_set():
        assert is_accepted(agent_os, random.choice(valid)), "a valid token was refused"
        sent += 1
    return sent


def is_accepted(agent_os: AgentOSServer, token: str) -> bool:
    status = agent_os.get("/agents", token).status_code
    assert status in {200, 401}, status
    return status == 200


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]
