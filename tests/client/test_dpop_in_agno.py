"""A client with bound tokens, a real issuer, with nonces and without, and a real AgentOS."""

from pathlib import Path

import pytest

from tests.agentos.releases import AGNO_2_9, AGNO_3_1, AgnoRelease
from tests.client.programs import output_of
from tests.journeys.running_issuer import RunningIssuer

RELEASES = [pytest.param(AGNO_2_9, marks=pytest.mark.slow), AGNO_3_1]


@pytest.mark.parametrize("release", RELEASES, ids=str)
@pytest.mark.parametrize("nonce", ["off", "required"])
def test_bound_tokens_open_an_agentos_that_accepts_no_others(
    release: AgnoRelease, nonce: str, tmp_path: Path
):
    with RunningIssuer(tmp_path, dpop_nonce=nonce) as issuer:
        rights = ["agents:web:run", "agents:web:read", "agents:read", "workflows:run"]
        client = issuer.deployment.client(scopes=rights)
        told = (issuer.url, client.client_id, client.client_secret)
        assert output_of(release, "dpop_program", *told, cwd=tmp_path) == {
            "sync": [200, 200],
            "async": [200, 200],
            "query": 200,
            "run": "pong",
            "configuration": "web",
            "name": "web",
            "stream": True,
            "A2A run": "pong",
            "A2A card": "web",
            "WebSocket": True,
            "stolen": 401,
            "each proof once": True,
        }
