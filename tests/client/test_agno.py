"""agno calls an AgentOS with the tokens of a `TokenClient`: agents of another AgentOS, and MCP."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agentos.releases import AGNO_3_1, EACH_MINOR, AgnoRelease
from tests.client.programs import output_of
from tests.journeys.running_issuer import RunningIssuer

RELEASES = [
    pytest.param(each, marks=[] if each == AGNO_3_1 else pytest.mark.slow) for each in EACH_MINOR
]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_every_request_carries_a_token_and_a_refused_one_is_replaced(
    issuer: RunningIssuer, release: AgnoRelease, tmp_path: Path
):
    client = issuer.deployment.client(scopes=["agents:web:run", "agents:web:read"])
    told = (issuer.url, client.client_id, client.client_secret)
    assert output_of(release, "agno_program", *told, cwd=tmp_path) == {
        "run": "pong",
        "forwarded": "pong",
        "forwarded token was sent": False,
        "configuration": "web",
        "name": "web",
        "stream": True,
        "run after a 401": "pong",
        "stream after a 401": True,
        "name after a 401": "web",
        "A2A run after a 401": "pong",
        "A2A stream after a 401": True,
        "A2A card": "web",
        "MCP tools": True,
        "MCP without a token": [False, []],
        "refused for good": [401, 2],
    }
