"""The interfaces of an AgentOS that take a token, each with a real client of its kind."""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum, auto
from typing import Any

import httpx
import httpx2
import pytest
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from fastmcp.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from websockets.sync.client import ClientConnection, connect

from tests.agentos.running import bearer
from tests.rows import rows


class Reaction(StrEnum):
    ACCEPTED = auto()
    FORBIDDEN = auto()
    REFUSED = auto()
    UNAVAILABLE = auto()


NO_TLS: dict[str, Any] = {"verify": False, "trust_env": False}
"""Loading unused CA certificates takes most of the time of a request."""


@dataclass(frozen=True)
class Presented:
    """A token, and the headers with which a request of this method and path presents it."""

    token: str
    headers: Callable[[str, str], dict[str, str]]


Token = str | Presented | None
BY_STATUS = {
    200: Reaction.ACCEPTED,
    401: Reaction.REFUSED,
    403: Reaction.FORBIDDEN,
    503: Reaction.UNAVAILABLE,
}


@dataclass(frozen=True)
class Surface:
    """`attempt` runs one agent or workflow. `scope` allows it, `narrower` allows another one."""

    name: str
    scope: str
    narrower: str
    attempt: Callable[[str, Token], Reaction]

    def __str__(self) -> str:
        return self.name


def run_over_rest(url: str, token: Token) -> Reaction:
    form = {"message": "ping", "stream": "false"}
    return _post(f"{url}/agents/web/runs", token, data=form)


def run_over_a2a(url: str, token: Token) -> Reaction:
    message = {
        "messageId": "msg_1",
        "role": "user",
        "contextId": "ctx_1",
        "parts": [{"kind": "text", "text": "ping"}],
    }
    call = {"jsonrpc": "2.0", "id": "1", "method": "message/send", "params": {"message": message}}
    return _post(f"{url}/a2a/agents/web/v1/message:send", token, json=call)


def run_over_ag_ui(url: str, token: Token) -> Reaction:
    run = {
        "threadId": "thr_1",
        "runId": "run_1",
        "state": {},
        "messages": [{"id": "msg_1", "role": "user", "content": "ping"}],
        "tools": [],
        "context": [],
        "forwardedProps": {},
    }
    return _post(f"{url}/agui", token, json=run)


def run_over_websocket(url: str, token: Token) -> Reaction:
    path, more = "/workflows/ws", None
    if isinstance(token, Presented):
        token, more = token.token, token.headers("GET", path)
    with connect(
        f"ws{url.removeprefix('http')}{path}", proxy=None, additional_headers=more
    ) as socket:
        if token is not None:
            socket.send(json.dumps({"action": "authenticate", "token": token}))
        start_workflow(socket)
        for text in socket:
            message = json.loads(text.partition("data: ")[2] or text)
            if message["event"] in {"auth_error", "auth_required"}:
                return Reaction.REFUSED
            if message["event"] == "error":
                return _forbidden(message["error"])
            if message["event"] == "WorkflowCompleted":
                return Reaction.ACCEPTED
    raise AssertionError("The socket was closed before anything came of it.")


@contextmanager
def authenticated_socket(url: str, token: str) -> Iterator[ClientConnection]:
    """A socket on which somebody has authenticated and run a workflow."""
    path = f"ws{url.removeprefix('http')}/workflows/ws"
    with connect(path, proxy=None) as socket:
        socket.send(json.dumps({"action": "authenticate", "token": token}))
        start_workflow(socket)
        assert any("WorkflowCompleted" in str(text) for text in socket)
        yield socket


def start_workflow(socket: ClientConnection, **more: str) -> None:
    start = {"action": "start-workflow", "workflow_id": "intake", "message": "ping"}
    socket.send(json.dumps(start | more))


def run_over_mcp(url: str, token: Token) -> Reaction:
    statuses: list[int] = []
    try:
        asyncio.run(_run_over_mcp(url, token, statuses))
    except ToolError as error:
        return _forbidden(str(error))
    except MCPError:  # does not carry the status of the answer
        return BY_STATUS[statuses[0]]
    return Reaction.ACCEPTED


def refused_over_mcp(url: str, token: str) -> str:
    """What a client is told whose token does not allow to run the agent."""
    with pytest.raises(ToolError) as refused:
        asyncio.run(_run_over_mcp(url, token, []))
    return str(refused.value)


async def _run_over_mcp(url: str, token: Token, statuses: list[int]) -> None:
    async def note(response: httpx2.Response) -> None:
        statuses.append(response.status_code)

    async def present(request: httpx2.Request) -> None:
        request.headers.update(_headers(token, request.method, request.url.path))

    def client(**settings: Any) -> httpx2.AsyncClient:
        hooks = {"request": [present], "response": [note]}
        return httpx2.AsyncClient(event_hooks=hooks, **NO_TLS, **settings)

    transport = StreamableHttpTransport(f"{url}/mcp", httpx_client_factory=client)
    async with Client(transport, timeout=20) as session:
        await session.call_tool("run_agent", {"agent_id": "web", "message": "ping"})


def _forbidden(message: str) -> Reaction:
    assert "permissions" in message, message
    return Reaction.FORBIDDEN


def _headers(token: Token, method: str, path: str) -> dict[str, str]:
    return token.headers(method, path) if isinstance(token, Presented) else bearer(token)


def _post(url: str, token: Token, **body: object) -> Reaction:
    headers = _headers(token, "POST", httpx.URL(url).path)
    answer = httpx.post(url, headers=headers, timeout=30, **NO_TLS, **body)
    assert answer.status_code in BY_STATUS, (answer.status_code, answer.text)
    return BY_STATUS[answer.status_code]


REST = Surface("REST", "agents:web:run", "agents:billing:run", run_over_rest)
WEBSOCKET = Surface(
    "WebSocket", "workflows:intake:run", "workflows:archive:run", run_over_websocket
)
MCP = Surface("MCP", "agents:web:run", "agents:billing:run", run_over_mcp)
A2A = Surface("A2A", "agents:web:run", "agents:billing:run", run_over_a2a)
AG_UI = Surface("AG-UI", "agents:run", "agents:web:run", run_over_ag_ui)
SURFACES = (REST, WEBSOCKET, MCP, A2A, AG_UI)
everywhere = rows("surface", {surface.name: surface for surface in SURFACES})
