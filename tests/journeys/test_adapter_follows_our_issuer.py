"""An AgentOS with the adapter follows our running server: keys change, nobody notices."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import SERVER_RELEASES, AgnoRelease
from tests.agentos.running import AgentOSServer
from tests.builders import OPERATOR, Credentials
from tests.journeys.running_issuer import RunningIssuer, polls, wait_until

ROTATIONS = 10
SHORT = {
    "key_sign_for": "1s",
    "key_announce_for": "1s",
    "jwks_max_age": "1s",
    "follower_max_age": "0s",
    "access_token_ttl": "300s",
}
pytestmark = pytest.mark.slow


@pytest.fixture(params=SERVER_RELEASES, ids=str)
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


def issued_over_rotations(
    agent_os: AgentOSServer, issuer: RunningIssuer, client: Credentials
) -> list[str]:
    """The last tokens, each of which was accepted whenever it was shown."""
    kids: set[str] = set()
    living: deque[str] = deque(maxlen=300)
    for _ in polls(120):
        token = issuer.token_endpoint.client_credentials(client).token
        living.append(token)
        kids.add(kid_of(token))
        for shown in (token, living[0], living[len(living) // 2]):
            assert is_accepted(agent_os, shown), (len(kids), shown is token)
        if len(kids) > ROTATIONS:
            return list(living)
    raise AssertionError(f"There were {len(kids)} keys in two minutes.")


def is_accepted(agent_os: AgentOSServer, token: str) -> bool:
    status = agent_os.get("/agents", token).status_code
    assert status in {200, 401}, status
    return status == 200


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]
