"""An AgentOS of the installed agno, and calls to it with a `TokenClient`. Prints the results.

python -m tests.client.agno_program ISSUER CLIENT_ID CLIENT_SECRET
"""

import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from typing import Any

import uvicorn
from agno.tools.mcp import MCPTools
from agno.tools.mcp.params import StreamableHTTPClientParams
from httpx import HTTPStatusError

from issuer.client import TokenClient
from issuer.client.agno import mcp_headers, remote_agent
from issuer.client.lifecycle import REPLACED_EVERY
from tests.agentos.adapter.configurations import managed


class Gate:
    """Answers 401 to refused tokens in front of an app, and counts the requests of each token."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.refused: set[str] = set()
        self.refuses_all = False
        self.tokens: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers", ()))
        token = headers.get(b"authorization", b"").decode().removeprefix("Bearer ")
        if scope["type"] == "http":
            self.tokens.append(token)
            if self.refuses_all or token in self.refused:
                await send({"type": "http.response.start", "status": 401, "headers": []})
                await send({"type": "http.response.body", "body": b"{}"})
                return
        await self.app(scope, receive, send)


class MovableClock:
    """The monotonic clock, and what was added to it."""

    added = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.added


@contextlib.contextmanager
def serving(app: Any) -> Any:
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=[[listener]], daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)


async def called(
    url: str, gate: Gate, client: TokenClient, refused: TokenClient, clock: MovableClock
) -> dict[str, Any]:
    def refuse_the_current() -> None:
        clock.added += REPLACED_EVERY
        gate.refused.add(client.token())

    agent = remote_agent(client, url, "web")
    results: dict[str, Any] = {}
    results["run"] = (await agent.arun("ping")).content
    results["forwarded"] = (await agent.arun("ping", auth_token="of-a-caller")).content
    results["forwarded token was sent"] = "of-a-caller" in gate.tokens
    results["configuration"] = (await agent.get_agent_config()).id
    results["name"] = await asyncio.to_thread(lambda: agent.name)
    results["stream"] = "pong" in str([event async for event in agent.arun("ping", stream=True)])
    of_a2a = remote_agent(client, f"{url}/a2a/agents/web", "web", protocol="a2a")
    for name in ("run", "stream", "name", "A2A run", "A2A stream"):
        refuse_the_current()
        asked = of_a2a if name.startswith("A2A") else agent
        if name.endswith("run"):
            result: Any = (await asked.arun("ping")).content
        elif name.endswith("stream"):
            result = "pong" in str([event async for event in asked.arun("ping", stream=True)])
        else:
            agent = remote_agent(client, url, "web")
            result = await asyncio.to_thread(lambda agent=agent: agent.name)
        results[f"{name} after a 401"] = result
    results["A2A card"] = (await of_a2a.get_agent_config()).name
    async with MCPTools(
        url=f"{url}/mcp", transport="streamable-http", header_provider=mcp_headers(client)
    ) as tools:
        results["MCP tools"] = len(tools.functions) > 0
    gate.tokens.clear()
    without = MCPTools(
        server_params=StreamableHTTPClientParams(
            url=f"{url}/mcp", headers={"Authorization": "Bearer of-somebody-else"}
        ),
        transport="streamable-http",
        header_provider=mcp_headers(refused),
    )
    await without.connect()
    results["MCP without a token"] = [without.initialized, gate.tokens[:]]
    clock.added += REPLACED_EVERY
    gate.refuses_all = True
    gate.tokens.clear()
    try:
        await agent.arun("ping")
    except HTTPStatusError as error:
        results["refused for good"] = [error.response.status_code, len(gate.tokens)]
    return results


def main(issuer: str, client_id: str, client_secret: str) -> None:
    clock = MovableClock()
    client = TokenClient(
        issuer, client_id, client_secret=client_secret, audience="my-os", clock=clock
    )
    gate = Gate(managed(issuer))
    with serving(gate) as url:
        refused = TokenClient(issuer, client_id, client_secret="wrong")
        results = asyncio.run(called(url, gate, client, refused, clock))
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
