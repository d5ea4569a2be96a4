"""examples/agentos.py runs as it is printed."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest

from tests.journeys.running_issuer import (
    REPOSITORY,
    RunningIssuer,
    end_with_the_tests,
    process_environment,
    reserved_port,
    wait_until,
)

pytestmark = pytest.mark.slow

EXAMPLE = REPOSITORY / "examples" / "agentos.py"
SECONDS_TO_START = 120


def test_the_example_accepts_tokens_of_the_issuer_and_enforces_their_scopes(tmp_path: Path):
    with RunningIssuer(tmp_path) as issuer, running_example(tmp_path, issuer.url) as url:
        reader = issuer.deployment.client(scopes=["agents:web:read"])
        token = issuer.token_endpoint.client_credentials(reader).token
        bearer = {"Authorization": f"Bearer {token}"}
        agents = httpx.get(f"{url}/agents", headers=bearer, trust_env=False)
        assert [agent["id"] for agent in agents.json()] == ["web"]
        assert httpx.get(f"{url}/agents", trust_env=False).status_code == 401
        run = httpx.post(
            f"{url}/agents/web/runs", headers=bearer, data={"message": "ping"}, trust_env=False
        )
        assert run.status_code == 403


@contextmanager
def running_example(folder: Path, issuer_url: str) -> Iterator[str]:
    """The URL of the example, ready to answer until the block ends."""
    with reserved_port() as port, (folder / "agentos.txt").open("wb") as output:
        url = f"http://127.0.0.1:{port}"
        variables = {"ISSUER_URL": issuer_url, "PORT": str(port), "AGNO_TELEMETRY": "false"}
        with subprocess.Popen(
            [sys.executable, EXAMPLE],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**process_environment(), **variables, "PYTHONPATH": str(REPOSITORY)},
            preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        ) as process:
            try:
                wait_until(lambda: is_healthy(url), SECONDS_TO_START, "the example answers")
                yield url
            finally:
                process.terminate()


def is_healthy(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/health", trust_env=False).status_code == httpx.codes.OK
    return False
