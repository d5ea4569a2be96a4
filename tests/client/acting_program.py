"""CallingUsers call an AgentOS of the installed agno, which calls a second one for them.

python -m tests.client.acting_program ISSUER SECOND_URL

Prints, for each way in which the first one can be asked, whom the second one sees.
"""

import asyncio
import base64
import json
import sys
import time
from typing import Any

import httpx
from websockets.sync.client import connect

from tests.client.acting_apps import CLIENT, NO_TLS, First
from tests.client.agno_program import serving

USERS = ("alice", "bob", "carol")


class CallingUsers:
    """Call the first AgentOS."""

    def __init__(self, issuer: str, url: str, http: httpx.AsyncClient) -> None:
        self.issuer, self.url, self.http = issuer, url, http

    async def token(self, user: str, **more: str) -> str:
        query = {"sub": user, "audience": "os-1", **more}
        return (await self.http.get(f"{self.issuer}/user-token", params=query)).text

    async def ask(self, path: str, token: str, **form: str) -> str:
        """What the second AgentOS answered."""
        answer = await self.http.post(
            f"{self.url}/{path}/runs",
            data={"message": "ping", "stream": "false", **form},
            headers={"Authorization": f"Bearer {token}"},
        )
        if form.get("stream") == "true":
            return answer.text
        return str(answer.json().get("content", answer.text))

    async def ask_in_background(self, token: str) -> str:
        headers = {"Authorization": f"Bearer {token}"}
        form = {"message": "ping", "stream": "false", "background": "true"}
        started = await self.http.post(
            f"{self.url}/agents/mcp-afresh/runs", data=form, headers=headers
        )
        run = started.json()
        where = f"{self.url}/agents/mcp-afresh/runs/{run['run_id']}?session_id={run['session_id']}"
        ends = time.monotonic() + 30
        while time.monotonic() < ends:
            found = (await self.http.get(where, headers=headers)).json()
            if found.get("status") == "COMPLETED":
                return str(found["content"])
            await asyncio.sleep(0.05)
        return str(found)

    async def ask_in_one_mcp_session(self, *tokens: str) -> list[str]:
        """Each of the tokens is used in the session that the first one has opened."""
        headers = {"Accept": "application/json, text/event-stream"}
        about = {"name": "test", "version": "1"}
        start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": about}
        opened, _ = await self._rpc(tokens[0], headers, "initialize", start, 1)
        headers["mcp-session-id"] = opened.headers["mcp-session-id"]
        await self._rpc(tokens[0], headers, "notifications/initialized", {}, None)
        answers = []
        for number, token in enumerate(tokens, 2):
            call = {"name": "run_agent", "arguments": {"agent_id": "async", "message": "ping"}}
            _, result = await self._rpc(token, headers, "tools/call", call, number)
            answers.append(result["result"]["content"][0]["text"])
        return answers

    async def _rpc(
        self, token: str, headers: dict[str, str], method: str, params: Any, number: int | None
    ) -> Any:
        call = {"jsonrpc": "2.0", "method": method, "params": params}
        answer = await self.http.post(
            f"{self.url}/mcp",
            json=call if number is None else call | {"id": number},
            headers={**headers, "Authorization": f"Bearer {token}"},
        )
        found = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
        return answer, json.loads(found[-1]) if found else None

    def ask_over_one_socket(self, *tokens: str) -> list[str]:
        """Each authenticates on the same socket, and then runs a workflow."""
        answers = []
        with connect(f"ws{self.url.removeprefix('http')}/workflows/ws", proxy=None) as socket:
            for token in tokens:
                socket.send(json.dumps({"action": "authenticate", "token": token}))
                start = {"action": "start-workflow", "workflow_id": "flow", "message": "ping"}
                socket.send(json.dumps(start))
                for text in socket:
                    message = json.loads(str(text).partition("data: ")[2] or text)
                    if message["event"] in {"WorkflowCompleted", "error", "auth_error"}:
                        answers.append(str(message.get("content", message)))
                        break
        return answers


async def asked(issuer: str, first: First, url: str) -> dict[str, Any]:
    results: dict[str, Any] = {}
    async with httpx.AsyncClient(**NO_TLS) as http:
        users = CallingUsers(issuer, url, http)
        of = {user: await users.token(user) for user in USERS}
        agents = ["mcp", "mcp-afresh", "or-batch", "sync", "async", "web", "a2a"]
        paths = [f"agents/{name}" for name in agents] + ["teams/team"]
        paths += [f"workflows/{name}" for name in ("flow", "parallel", "function")]
        calls = [(path, user) for path in paths for user in USERS]
        answers = await asyncio.gather(*(users.ask(path, of[user]) for path, user in calls))
        for path in paths:
            results[path] = {
                user: sees(answer)
                for (asked_path, user), answer in zip(calls, answers, strict=True)
                if asked_path == path
            }
        results["streamed"] = sees(await users.ask("agents/mcp", of["alice"], stream="true"))
        results["in the background"] = sees(await users.ask_in_background(of["bob"]))
        in_session = await users.ask_in_one_mcp_session(of["alice"], of["bob"], of["alice"])
        results["one MCP session"] = [sees(each) for each in in_session]
        on_socket = await asyncio.to_thread(users.ask_over_one_socket, of["alice"], of["bob"])
        results["one socket"] = [sees(each) for each in on_socket]
        dave = await users.token("dave")
        results["prepared"] = await users.ask("agents/prepared", dave)
        late = await users.token("alice", expires_in="-5")
        service = await users.token("service", client_id="service")
        revoked = await users.token("mallory")
        for name in ("mcp", "sync", "or-batch"):
            results[f"{name}, expired"] = await users.ask(f"agents/{name}", late)
            results[f"{name}, of a client"] = await users.ask(f"agents/{name}", service)
            results[f"{name}, revoked"] = await users.ask(f"agents/{name}", revoked)
    alone = first.with_mcp("alone", refresh_connection=True)
    results["without a request"] = (await alone.arun("ping")).content
    return results


def sees(answer: str) -> str:
    """The users that the answer names, or the answer if there is none."""
    return " ".join(user for user in (*USERS, "batch", CLIENT) if user in answer) or answer


def claims_in(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return dict(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def main(issuer: str, second_url: str) -> None:
    first = First(issuer, second_url)
    with serving(first.app()) as url:
        results = asyncio.run(asked(issuer, first, url))
    tokens = httpx.get(f"{second_url}/seen", **NO_TLS).json()
    seen = [claims_in(token) for token in tokens]
    results["tokens"] = sorted({(each["aud"], each["sub"], str(each.get("act"))) for each in seen})
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
