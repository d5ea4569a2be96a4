"""MCP clients call a tool of an AgentOS, knowing only the URL of its MCP endpoint."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import AGNO_2_7, AGNO_3_1, AgnoRelease
from tests.builders import PASSWORD
from tests.journeys.foreign_clients import JAVASCRIPT, NODE
from tests.journeys.running_issuer import (
    REPOSITORY,
    RunningIssuer,
    process_environment,
    reserved_port,
)
from tests.oauth.asserting import AssertingClient, with_keys

pytestmark = pytest.mark.slow

MODULES, SCRIPT = JAVASCRIPT / "node_modules", JAVASCRIPT / "mcp.mjs"
PYTHON = [sys.executable, "-P", "-m", "tests.journeys.mcp_clients.python_client"]
PONG = "pong"  # the answer of the agent


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    """Clients register themselves. `alice` may run the agents of the AgentOS."""
    folder = tmp_path_factory.mktemp("issuer")
    with RunningIssuer(folder, client_registration="open") as issuer:
        runner = issuer.deployment.role("runner", ["agents:run", "agents:read", "config:read"])
        issuer.deployment.user("alice", roles=[runner])
        yield issuer


@dataclass(frozen=True)
class McpEndpoint:
    """The MCP endpoint of an AgentOS, and its issuer."""

    url: str
    issuer: RunningIssuer
    workdir: Path

    def result(self, program: list[str], **task: Any) -> str:
        """What the program of a client prints; `AssertionError` with its errors if it fails."""
        call = {"tool": "run_agent", "toolArguments": {"agent_id": "web", "message": "ping"}}
        done = subprocess.run(
            program,
            input=json.dumps({"url": self.url, **call, **task}),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.workdir,
            env=self.environment,
        )
        assert done.returncode == 0, done.stderr[-5000:]
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The person at the browser is alice; what clients remember is forgotten afterwards."""
        return {
            **process_environment(),
            "PYTHONPATH": str(REPOSITORY),
            "HOME": str(self.workdir),
            "USERNAME": "alice",
            "PASSWORD": PASSWORD,
            "BROWSER": str(browser_in(self.workdir)),
        }


def browser_in(folder: Path) -> Path:
    """As a real one, it does not keep the caller waiting."""
    program = folder / "browser"
    command = [sys.executable, "-P", "-m", "tests.journeys.mcp_clients.browser"]
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$1" >> browser.log 2>&1 &\n')
    program.chmod(0o755)
    return program


@pytest.fixture(scope="module", params=[AGNO_2_7, AGNO_3_1], ids=str)
def mcp(
    request: pytest.FixtureRequest,
    issuer: RunningIssuer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[McpEndpoint]:
    workdir = tmp_path_factory.mktemp(str(request.param))
    with running_mcp_server(request.param, issuer, workdir) as url:
        yield McpEndpoint(f"{url}/mcp", issuer, workdir)


@contextmanager
def running_mcp_server(release: AgnoRelease, issuer: RunningIssuer, workdir: Path) -> Iterator[str]:
    with reserved_port() as port:
        url = f"http://127.0.0.1:{port}"
        with issuer.deployment.changing() as work:
            work.audiences.update("my-os", {"resources": [url, f"{url}/mcp"]})
        settings = AppSettings("managed", issuer, more={"url": url, "port": port})
        with running_apps(release, workdir, {"my-os": settings}):
            yield url


def mcp_remote(mcp: McpEndpoint, **task: str) -> str:
    """A client of local servers, and mcp-remote between it and the remote one."""
    command = [str(NODE), str(MODULES / "mcp-remote" / "dist" / "proxy.js"), mcp.url]
    if task:
        command += ["--static-oauth-client-info", json.dumps(task)]
    return mcp.result([*PYTHON, "stdio"], command=command)


CLIENTS: dict[str, Callable[..., str]] = {
    "mcp": lambda mcp, **task: mcp.result([*PYTHON, "mcp"], **task),
    "fastmcp": lambda mcp, **task: mcp.result([*PYTHON, "fastmcp"], **task),
    "typescript-sdk": lambda mcp, **task: mcp.result([str(NODE), str(SCRIPT)], **task),
    "mcp-remote": mcp_remote,
}


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_registers_itself_signs_a_person_in_and_calls_a_tool(
    mcp: McpEndpoint, client: str
):
    assert PONG in CLIENTS[client](mcp)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_with_a_configured_id_signs_a_person_in_and_calls_a_tool(
    mcp: McpEndpoint, client: str
):
    program = mcp.issuer.deployment.client(
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
        redirect_uris=[
            "http://127.0.0.1/callback",
            "http://localhost/callback",
            "http://localhost/oauth/callback",
        ],
        user_rights="all",
    )
    assert PONG in CLIENTS[client](mcp, client_id=program.client_id)


def test_a_service_calls_a_tool_with_its_credentials(mcp: McpEndpoint):
    service = mcp.issuer.deployment.client(scopes=["agents:web:run"])
    said = mcp.result(
        [*PYTHON, "mcp-credentials"],
        client_id=service.client_id,
        client_secret=service.client_secret,
        issuer=mcp.issuer.url,
    )
    assert PONG in said


def test_a_service_calls_a_tool_with_its_key(mcp: McpEndpoint):
    """`private_key_jwt` (RFC 7523 §2.2), as the SDK does it."""
    service = AssertingClient.new("signing-service", issuer=mcp.issuer.url)
    if not mcp.issuer.deployment.services.tokens.directory.load_client(service.client_id):
        with_keys(mcp.issuer.deployment, service, scopes=["agents:web:run"])
    else:  # of another release of agno
        with mcp.issuer.deployment.changing() as work:
            work.clients.update(service.client_id, {"jwks": service.jwks})
    said = mcp.result(
        [*PYTHON, "mcp-key"],
        client_id=service.client_id,
        private_key=service.key.as_pem(private=True).decode(),
        issuer=mcp.issuer.url,
    )
    assert PONG in said


def test_the_service_of_the_page_calls_a_tool(mcp: McpEndpoint):
    text = (REPOSITORY / "docs" / "how-to" / "connect-an-mcp-client.md").read_text()
    (program,) = re.findall(r"```python\n(import asyncio.*?)```", text, re.DOTALL)
    service = mcp.issuer.deployment.client(scopes=["agents:web:run"])
    for printed, real in {
        "https://id.example": mcp.issuer.url,
        "https://os.example/mcp": mcp.url,
        '"reporter"': f'"{service.client_id}"',
        'os.environ["CLIENT_SECRET"]': f'"{service.client_secret}"',
    }.items():
        assert printed in program
        program = program.replace(printed, real)
    assert PONG in mcp.result([sys.executable, "-P", "-c", program])


def test_agno_connect_writes_a_working_entry_without_a_token(mcp: McpEndpoint):
    """It makes no service account: `/info` says that clients sign in."""
    agno = str(Path(sys.executable).with_name("agno"))
    base = mcp.url.removesuffix("/mcp")
    said = mcp.result([agno, "connect", "--url", base, "--clients", "cursor", "--json"])
    (connected,) = json.loads(said)["results"]
    assert connected["status"] == "needs-login", connected
    assert "account" not in connected
    written = json.loads((mcp.workdir / ".cursor" / "mcp.json").read_text())
    (entry,) = written["mcpServers"].values()
    assert entry == {"url": mcp.url}
    assert PONG in replace(mcp, url=entry["url"]).result([*PYTHON, "fastmcp"])
