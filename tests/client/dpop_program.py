"""Calls to an AgentOS of the installed agno with bound tokens. Prints the results.

python -m tests.client.dpop_program ISSUER CLIENT_ID CLIENT_SECRET
"""

import asyncio
import json
import sys
from contextlib import ExitStack
from typing import Any

import httpx
import websockets

from issuer.client import TokenClient
from issuer.client.agno import remote_agent
from tests.agentos.adapter.configurations import managed
from tests.client.agno_program import serving

FORM = {"message": "ping", "stream": "false"}


class Late:
    """An app that is known once its URL is."""

    app: Any = None
    proofs: list[bytes]

    def __init__(self) -> None:
        self.proofs = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            self.proofs += [value for name, value in scope["headers"] if name == b"dpop"]
            await self.app(scope, receive, send)


async def called(url: str, client: TokenClient) -> dict[str, Any]:
    results: dict[str, Any] = {}
    with httpx.Client(auth=client.auth()) as http:
        results["sync"] = [http.post(f"{url}/agents/web/runs", data=FORM).status_code for _ in "ab"]
    async with httpx.AsyncClient(auth=client.auth(), timeout=30) as http:
        answers = [await http.post(f"{url}/agents/web/runs", data=FORM) for _ in "ab"]
        results["async"] = [answer.status_code for answer in answers]
        paged = await http.get(f"{url}/agents?x=1")
        results["query"] = paged.status_code
    agent = remote_agent(client, url, "web")
    results["run"] = (await agent.arun("ping")).content
    results["configuration"] = (await agent.get_agent_config()).id
    results["name"] = await asyncio.to_thread(lambda: agent.name)
    results["stream"] = "pong" in str([event async for event in agent.arun("ping", stream=True)])
    of_a2a = remote_agent(client, f"{url}/a2a/agents/web", "web", protocol="a2a")
    results["A2A run"] = (await of_a2a.arun("ping")).content
    results["A2A card"] = (await of_a2a.get_agent_config()).name
    results["WebSocket"] = await over_websocket(url, client)
    bearer = {"Authorization": f"Bearer {client.token()}"}
    results["stolen"] = httpx.get(f"{url}/agents", headers=bearer).status_code
    return results


async def over_websocket(url: str, client: TokenClient) -> bool:
    token, path = await client.async_token(), "/workflows/ws"
    assert client.proofs is not None
    proof = {"DPoP": client.proofs.proof("GET", url + path, token)}
    async with websockets.connect(f"ws{url[4:]}{path}", additional_headers=proof) as socket:
        await socket.send(json.dumps({"action": "authenticate", "token": token}))
        async for text in socket:
            if "auth_error" in str(text):
                return False
            if "authenticated" in str(text):
                return True
    return False


def main(issuer: str, client_id: str, client_secret: str) -> None:
    client = TokenClient(
        issuer, client_id, client_secret=client_secret, audience="my-os", dpop=True
    )
    app = Late()
    with ExitStack() as stack:
        url = stack.enter_context(serving(app))
        app.app = managed(issuer, url=url, dpop="require")
        results = asyncio.run(called(url, client))
    results["each proof once"] = len(app.proofs) == len(set(app.proofs)) > 0
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
