"""The pages about AgentOS: each example runs and answers as the page says."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.agentos.key_server import KEYS, KeyServer, running_key_server
from tests.agentos.running_examples import results_of
from tests.agentos.tokens import Tokens
from tests.journeys.running_issuer import REPOSITORY, process_environment

pytestmark = pytest.mark.slow

HOW_TO = REPOSITORY / "docs" / "how-to"
PAGE = (HOW_TO / "connect-an-agentos.md").read_text()
PAGE_FOR_MCP = (HOW_TO / "connect-an-mcp-client.md").read_text()
BLOCKS = [
    block
    for block in re.findall(
        r"^```python\n(.*?)^```$", PAGE + PAGE_FOR_MCP, re.MULTILINE | re.DOTALL
    )
    if "Verifier(" in block
]
COMMANDS = re.findall(r"^\$ issuer (.+)$", PAGE, re.MULTILINE)


@dataclass(frozen=True)
class Issuers:
    """The issuers that the page names, and the control plane, which only has a key."""

    id: Tokens
    partner: Tokens
    control_plane: Tokens
    urls: dict[str, str]


@pytest.fixture(scope="module")
def issuers() -> Iterator[Issuers]:
    with running_key_server() as own, running_key_server() as partner:
        yield Issuers(
            id=published(own, KEYS, "RS256"),
            partner=published(partner, "/keys", "ES256"),
            control_plane=Tokens("RS256"),
            urls={"https://id.example": own.url, "https://partner.example": partner.url},
        )


def published(server: KeyServer, path: str, algorithm: str) -> Tokens:
    tokens = Tokens(algorithm)
    tokens.issuer = server.url
    server.put(path, tokens.jwks, cache_control="max-age=300")
    server.put_metadata(path)
    return tokens


def agents(issuer: Tokens, audience: str = "my-os", path: str = "/agents") -> dict[str, Any]:
    return {"method": "GET", "url": path, "headers": bearer(issuer, audience)}


def bearer(issuer: Tokens, audience: str = "my-os") -> dict[str, str]:
    return {"Authorization": f"Bearer {issuer.issue(['agents:read'], audience=audience)}"}


def usual(issuers: Issuers, path: str = "/agents") -> list[tuple[int, dict[str, Any]]]:
    """A valid token, one for another audience, one from another issuer, and none."""
    return [
        (200, agents(issuers.id, path=path)),
        (401, agents(issuers.id, audience="another", path=path)),
        (401, agents(issuers.partner, path=path)),
        (401, {"method": "GET", "url": path}),
    ]


def of_another_key_set(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    return [(200, agents(issuers.partner)), (401, agents(issuers.id))]


def in_a_cookie(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    cookie = f"session={issuers.id.issue(['agents:read'])}"
    return [
        (200, {"method": "GET", "url": "/agents", "headers": {"Cookie": cookie}}),
        (401, agents(issuers.id)),
    ]


def mounted(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    return usual(issuers, "/os/agents")


def mcp(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    asked = {"protocolVersion": "2025-06-18", "capabilities": {}}
    asked |= {"clientInfo": {"name": "tests", "version": "1"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}
    accept = {"Accept": "application/json, text/event-stream"}
    request = {"method": "POST", "url": "/mcp", "json": message}
    return [
        (401, {**request, "headers": accept}),
        (200, {**request, "headers": accept | bearer(issuers.id)}),
        *usual(issuers),
    ]


def mcp_with_url(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    documents = "/.well-known/oauth-protected-resource"
    return [
        (200, {"method": "GET", "url": documents}),
        (200, {"method": "GET", "url": f"{documents}/mcp"}),
        *mcp(issuers),
    ]


def several(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    partner_for_another = agents(issuers.partner, audience="another")
    return [
        (200, agents(issuers.id)),
        (200, agents(issuers.partner)),
        (401, partner_for_another),
        (401, agents(issuers.control_plane)),
    ]


def static_keys(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    speaking_for_the_issuer = issuers.control_plane.issue(["agents:read"], iss=issuers.id.issuer)
    forged = {"Authorization": f"Bearer {speaking_for_the_issuer}"}
    return [
        (200, agents(issuers.id)),
        (200, agents(issuers.control_plane)),
        (401, {"method": "GET", "url": "/agents", "headers": forged}),
    ]


def no_agent_os(issuers: Issuers) -> list[tuple[int, dict[str, Any]]]:
    return [
        (200, agents(issuers.id, audience="reports", path="/me")),
        (403, agents(issuers.id, audience="reports", path="/reports")),
        (401, agents(issuers.id, path="/reports")),
    ]


Asked = Callable[[Issuers], list[tuple[int, dict[str, Any]]]]
EXAMPLES: list[tuple[str, Asked]] = [
    ("two lines", usual),
    ("another key set", of_another_key_set),
    ("middleware", usual),
    ("cookies", in_a_cookie),
    ("mounted", mounted),
    ("environment", usual),
    ("mcp", mcp),
    ("several issuers", several),
    ("static keys", static_keys),
    ("reports of used scopes", usual),
    ("cache file and status", usual),
    ("away limit", usual),
    ("no AgentOS", no_agent_os),
    ("an MCP client", mcp_with_url),
]


NAMES = [name for name, _ in EXAMPLES]


@dataclass(frozen=True)
class Ran:
    """The expected statuses of an example, and its result."""

    expected: list[int]
    result: Any


@pytest.fixture(scope="module")
def examples(issuers: Issuers, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Ran]:
    """All examples in one run, because importing agno is slow."""
    folders, expected = [], []
    for block, (name, asked) in zip(BLOCKS, EXAMPLES, strict=True):
        folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
        (folder / "control-plane.pem").write_text(issuers.control_plane.pem)
        requests = asked(issuers)
        expected.append([status for status, _ in requests])
        folders.append(
            {
                "code": with_real_urls(block, issuers),
                "requests": [request for _, request in requests],
                "folder": str(folder),
            }
        )
    results = results_of(folders, tmp_path_factory.mktemp("examples"))
    return {name: Ran(*each) for name, *each in zip(NAMES, expected, results, strict=True)}


@pytest.mark.parametrize("name", NAMES)
def test_an_example_answers_as_the_page_says(examples: dict[str, Ran], name: str):
    assert examples[name].result == examples[name].expected, examples[name].result


def test_its_commands_write_the_file(issuers: Issuers, tmp_path: Path):
    """Run as printed, but without `--watch`, and with a `systemctl` that logs its arguments."""
    asked = tmp_path / "asked"
    systemctl = tmp_path / "systemctl"
    systemctl.write_text(f'#!/bin/sh\necho "$@" "$JWKS_FILE" > {asked}\n')
    systemctl.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    for line in COMMANDS:
        words = [issuers.urls.get(word, word) for word in shlex.split(line)]
        words[words.index("-o") + 1] = str(tmp_path / "jwks.json")
        subprocess.run(
            [sys.executable, "-m", "issuer", *(word for word in words if word != "--watch")],
            env={**process_environment(), "PYTHONPATH": str(REPOSITORY), "PATH": path},
            check=True,
        )
        assert json.loads((tmp_path / "jwks.json").read_text()) == issuers.id.jwks
    assert asked.read_text() == f"restart my-os {tmp_path / 'jwks.json'}\n"


def with_real_urls(block: str, issuers: Issuers) -> str:
    for name, url in issuers.urls.items():
        block = block.replace(name, url)
    return block.replace("agents=[...]", 'agents=[stub_agent("web")]')
