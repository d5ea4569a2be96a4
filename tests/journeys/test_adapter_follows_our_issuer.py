"""An AgentOS with the adapter follows our running server: its keys, and what it takes back."""

import random
import uuid
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event

import jwt
import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.adapter.surfaces import MCP, WEBSOCKET, Outcome
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
    "follower_max_age": "0s",
    "access_token_ttl": "300s",
}
LIVE_REVOCATIONS = 10_000
SCOPES = ("agents:read", MCP.scope, WEBSOCKET.scope)
AT_ONCE = 10
"""Seconds (CONTRACT §6)."""
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


def test_rotations_refuse_no_valid_token_and_a_revoked_key_opens_nothing(
    agent_os: AgentOSServer, issuer: RunningIssuer
) -> None:
    """DESIGN §4, as seen by who follows: a key every second or so, tokens of each all the time."""
    client = issuer.house.client(scopes=["agents:read"])
    tokens = issued_over_rotations(agent_os, issuer, client)
    revoked = kid_of(tokens[-1])
    of_the_revoked = [token for token in tokens if kid_of(token) == revoked]
    of_others = [token for token in tokens if kid_of(token) != revoked]
    with issuer.house.services.changing_keys(OPERATOR) as rooms:
        rooms.keys.revoke(revoked)
    wait_until(lambda: not is_accepted(agent_os, tokens[-1]), 5, "the revoked key was noticed")
    assert not any(is_accepted(agent_os, token) for token in of_the_revoked)
    assert all(is_accepted(agent_os, token) for token in of_others)


def test_what_was_taken_back_is_refused_within_10_s_and_all_else_goes_on(
    release: AgnoRelease, tmp_path: Path
) -> None:
    """CONTRACT §6, with 10,000 more revocations alive, and a key set that is kept for 5 minutes."""
    (tmp_path / "issuer").mkdir()
    with (
        RunningIssuer(tmp_path / "issuer") as issuer,
        running_apps(release, tmp_path, {"app": AppSettings("managed", issuer)}) as apps,
    ):
        agent_os = apps["app"].os
        take_back_many(issuer)
        doomed = tokens_that_will_be_taken_back(issuer)
        client = issuer.house.client(scopes=[*SCOPES])
        good = issuer.token_endpoint.client_credentials(client).token
        assert all(is_accepted(agent_os, token) for token in (good, *doomed.values()))
        take_back(issuer, doomed)
        wait_until(lambda: not any_is_accepted(agent_os, doomed), AT_ONCE, "all are refused")
        for what, token in doomed.items():
            for surface in (WEBSOCKET, MCP):
                assert surface.attempt(agent_os.url, token) is Outcome.REFUSED, (what, surface)
                assert surface.attempt(agent_os.url, good) is Outcome.ACCEPTED, (what, surface)
        with issuer.house.services.changing_keys(OPERATOR) as rooms:
            rooms.keys.revoke(kid_of(good))
        wait_until(lambda: not is_accepted(agent_os, good), AT_ONCE, "the key is refused")
        assert is_accepted(agent_os, issuer.token_endpoint.client_credentials(client).token)


def take_back_many(issuer: RunningIssuer) -> None:
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    with issuer.house.changing() as rooms:
        rooms.revocations.tokens({uuid.uuid4().hex: expires_at for _ in range(LIVE_REVOCATIONS)})


def tokens_that_will_be_taken_back(issuer: RunningIssuer) -> dict[str, str]:
    """By what is about to be taken back; that client and that user are `doomed`."""
    house, endpoint = issuer.house, issuer.token_endpoint
    everyone = house.role("everyone", [*SCOPES])
    front = house.client(scopes=[*SCOPES], grant_types=["password"])
    house.user("doomed", id="usr_doomed", roles=[everyone])
    client = house.client("doomed", scopes=[*SCOPES])
    return {
        "the token": endpoint.client_credentials(house.client(scopes=[*SCOPES])).token,
        "the user": endpoint.password(front, "doomed").token,
        "the client": endpoint.client_credentials(client).token,
    }


def take_back(issuer: RunningIssuer, doomed: dict[str, str]) -> None:
    claims = jwt.decode(doomed["the token"], options={"verify_signature": False})
    with issuer.house.changing() as rooms:
        rooms.revocations.tokens({claims["jti"]: datetime.fromtimestamp(claims["exp"], UTC)})
        rooms.users.update("usr_doomed", {"disabled": True})
        rooms.clients.update("doomed", {"disabled": True})


def issued_over_rotations(
    agent_os: AgentOSServer, issuer: RunningIssuer, client: Credentials
) -> list[str]:
    """The last tokens, each of which was accepted whenever it was shown, by whom ever."""
    seconds = SECONDS_OF_ROTATIONS[agent_os.release]
    living: deque[str] = deque([issuer.token_endpoint.client_credentials(client).token], 300)
    kids: set[str] = set()
    over = Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        show = partial(show_again_and_again, agent_os, living, over)
        callers = [pool.submit(show) for _ in range(CALLERS)]
        try:
            for _ in polls(seconds):
                token = issuer.token_endpoint.client_credentials(client).token
                living.append(token)
                kids.add(kid_of(token))
                assert is_accepted(agent_os, token), f"a new token of key {len(kids)} was refused"
        finally:
            over.set()
    assert min(caller.result() for caller in callers) > seconds
    assert len(kids) > seconds / 4
    return list(living)


def show_again_and_again(agent_os: AgentOSServer, living: deque[str], over: Event) -> int:
    """How often a living token was shown, and accepted, before it was `over`."""
    shown = 0
    while not over.is_set():
        assert is_accepted(agent_os, random.choice(living)), "a living token was refused"
        shown += 1
    return shown


def is_accepted(agent_os: AgentOSServer, token: str) -> bool:
    status = agent_os.get("/agents", token).status_code
    assert status in {200, 401}, status
    return status == 200


def any_is_accepted(agent_os: AgentOSServer, tokens: dict[str, str]) -> bool:
    return any(is_accepted(agent_os, token) for token in tokens.values())


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]
