"""The authorization server checks of the MCP project's conformance suite."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import PASSWORD
from tests.journeys.foreign_clients import JAVASCRIPT, NODE
from tests.journeys.mcp_clients.browser import PersonAtBrowser
from tests.journeys.running_issuer import (
    RunningIssuer,
    polls,
    process_environment,
    reserved_port,
)

pytestmark = pytest.mark.slow

SUITE = JAVASCRIPT / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
RESOURCE = "https://os.example/mcp"
CHECKS = {"authorization-server-metadata", "authorization-code-grant"}
AUTHORIZATION = re.compile(r"^(http\S+/oauth2/authorize\?\S+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        with issuer.deployment.changing() as work:
            work.audiences.update("my-os", {"resources": [RESOURCE]})
        runner = issuer.deployment.role("runner", ["agents:run"])
        issuer.deployment.user("alice", roles=[runner])
        yield issuer


def test_the_conformance_checks_pass(issuer: RunningIssuer, tmp_path: Path):
    client = issuer.deployment.client(
        grant_types=["authorization_code"],
        token_endpoint_auth_method="none",
        redirect_uris=["http://127.0.0.1/callback"],
        user_rights="all",
    )
    with reserved_port() as port:
        checks = run_suite(issuer, client.client_id, port, tmp_path)
    statuses = {check["id"]: check["status"] for check in checks}
    assert {statuses[check] for check in CHECKS} == {"SUCCESS"}, checks
    assert "FAILURE" not in statuses.values(), checks


def run_suite(issuer: RunningIssuer, client_id: str, port: int, folder: Path) -> list[dict]:
    """All checks, with a person who signs in at the URL that the suite prints."""
    results, log = folder / "results", folder / "suite.log"
    options = ["--url", issuer.url, "--client-id", client_id, "--resource", RESOURCE]
    command = [NODE, SUITE, "authorization", *options, "--port", str(port), "-o", results]
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, cwd=folder, env=process_environment()
        ) as suite,
    ):
        PersonAtBrowser("alice", PASSWORD).visit(printed_url(suite, log))
        assert suite.wait(60) == 0, log.read_text()
    return [
        check for file in results.rglob("checks.json") for check in json.loads(file.read_text())
    ]


def printed_url(suite: subprocess.Popen, log: Path) -> str:
    for _ in polls(60):
        if match := AUTHORIZATION.search(log.read_text()):
            return match[1]
        assert suite.poll() is None, log.read_text()
    raise AssertionError(log.read_text())
