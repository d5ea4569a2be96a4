"""An AgentOS may answer anything: its inspection says what it found, and fails by nothing else."""

import asyncio
import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from issuer.inspection.components import InspectionReport
from issuer.inspection.probing import Prober
from tests.builders import OPERATOR, Deployment
from tests.inspection.fake_agentos import RESOURCE, inspectable
from tests.rows import rows
from tests.verifying_servers import Reply


def inspect(deployment: Deployment) -> InspectionReport:
    administration = deployment.services.administration
    return administration.inspector.inspect(partial(administration.changing, OPERATOR), "my-os")


@rows(
    "named",
    [
        5,
        True,
        1.5,
        None,
        {},
        {"https://id.example": 1},
        [],
        [[], {}, None, 5],
        "https://id.example",
        "https://id.example.evil",
    ],
)
def test_the_servers_of_a_resource_document_may_be_anything(deployment: Deployment, named: object):
    """RFC 9728 §2: an array. A text that contains this issuer is none."""
    with inspectable(deployment) as agent_os:
        document = {"resource": agent_os.url, "authorization_servers": named}
        agent_os.answers[RESOURCE] = Reply(200, json.dumps(document).encode(), {})
        found = inspect(deployment).findings
    named_other = [each for each in found if each.rule == "other-issuer-named"]
    assert f"GET {RESOURCE}" in named_other[0].evidence
    assert named_other[0].remedy


@rows(
    ("version", "numbers"),
    [("2.6.0\u202e\x1b[2J<b>", "2.6.0"), ("1.2 [more](https://a.example)", "1.2")],
)
def test_a_version_is_shown_by_its_numbers(deployment: Deployment, version: str, numbers: str):
    """Services make links of `[text](URL)` in SARIF."""
    with inspectable(deployment) as agent_os:
        agent_os.info["agno_version"] = version
        (found,) = inspect(deployment).findings
    assert found.rule == "outdated-agno"
    assert found.evidence.endswith(f"and agno_version is {numbers}")


@rows(
    "path",
    [
        "/../admin",
        "/x/..",
        "/./admin",
        "/x/../../admin",
        "/%2e%2e/admin",
        "/%2E./admin",
        "/%252e%252e/x",
    ],
)
def test_a_path_cannot_steer_requests_elsewhere(deployment: Deployment, path: str):
    """RFC 3986 §5.2.4: clients and proxies resolve dot segments, some of them once decoded."""
    with inspectable(deployment) as agent_os:
        agent_os.info["mcp"] = {"enabled": True, "path": path}
        agent_os.interfaces = [{"type": "a2a", "route": path}, {"type": "agui", "route": path}]
        inspect(deployment)
        asked = [each for each, _ in agent_os.requests]
    assert "/mcp" in asked
    assert not any("admin" in each or "%" in each or each.startswith("/x") for each in asked)


@rows("id_", [".", "..", "../config", "..\\config", "%2e%2e", "%2e%2e%2fadmin", "a/../../admin"])
def test_an_id_cannot_steer_requests_elsewhere(deployment: Deployment, id_: str):
    with inspectable(deployment) as agent_os:
        agent_os.names = {id_: "Evil", "web": "Web"}
        found = inspect(deployment)
        asked = [each for each, _ in agent_os.requests]
    assert [each.id for each in found.components.agents] == [id_, "web"]
    assert "/agents/web/runs" in asked
    assert {each for each in asked if each.startswith("/agents/")} == {
        "/agents/web",
        "/agents/web/runs",
    }
    assert {"/runs", "/.well-known/agent-card.json"}.isdisjoint(asked)


def test_a_socket_that_is_reset_says_nothing(deployment: Deployment):
    async def first_message(url: str) -> str | None:
        async with Prober(url, "test", {}) as prober:
            return await prober.first_message("/workflows/ws")

    with resetting() as url:
        assert asyncio.run(first_message(url)) is None


@contextmanager
def resetting() -> Iterator[str]:
    """A server that upgrades to a WebSocket, and resets the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                    b"Upgrade: websocket\r\n\r\n\x81"
                )
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        thread.join()
