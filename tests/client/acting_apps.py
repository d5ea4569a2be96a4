"""Two AgentOS, of which the first one calls the second for the users who call it.

    python acting_apps.py ISSUER AUDIENCE

serves the second one alone, and prints what `tests/agentos/server.py` prints.
"""

import asyncio
import inspect
import json
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.response import ModelResponse
from agno.os import AgentOS
from agno.run import RunContext
from agno.team import Team
from agno.tools.mcp import MCPTools
from agno.workflow import Parallel, Step, StepInput, StepOutput, Workflow

from issuer.agentos import Verifier
from issuer.client import TokenClient
from issuer.client.agno import mcp_headers, remote_agent
from tests.agentos.server import FixedAnswer, serve, stop_when_stdin_ends

CLIENT = "agents-of-os-1"
MCP = "mcp" if "mcp" in inspect.signature(AgentOS).parameters else "mcp_server"
NO_TLS: dict[str, Any] = {"verify": False, "trust_env": False, "timeout": 60}


class CallsTool(FixedAnswer):
    """A model that calls one tool, and answers with what the tool returned."""

    def __init__(self, tool: str, **arguments: str) -> None:
        super().__init__()
        self._call = {"name": tool, "arguments": json.dumps(arguments)}

    def _next(self, messages: Any) -> ModelResponse:
        if messages[-1].role == "tool":
            return ModelResponse(role="assistant", content=str(messages[-1].content))
        call = {"id": f"call_{id(messages)}", "type": "function", "function": dict(self._call)}
        return ModelResponse(role="assistant", tool_calls=[call])

    def invoke(self, *_: Any, messages: Any, **__: Any) -> ModelResponse:
        return self._next(messages)

    async def ainvoke(self, *_: Any, messages: Any, **__: Any) -> ModelResponse:
        await asyncio.sleep(0.01)  # others come in between
        return self._next(messages)

    def invoke_stream(self, *_: Any, messages: Any, **__: Any) -> Iterator[ModelResponse]:
        yield self._next(messages)

    async def ainvoke_stream(
        self, *_: Any, messages: Any, **__: Any
    ) -> AsyncIterator[ModelResponse]:
        await asyncio.sleep(0.01)
        yield self._next(messages)


class Recorder:
    """Keeps the tokens that reach an app. `GET /seen` answers with them."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.seen: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/seen":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            body = json.dumps(self.seen).encode()
            await send({"type": "http.response.body", "body": body})
            return
        token = dict(scope.get("headers", ())).get(b"authorization", b"").decode()
        if token:
            self.seen.append(token.removeprefix("Bearer "))
        await self.app(scope, receive, send)


def whoami(run_context: RunContext) -> str:
    """Tell whose run this is."""
    return str(run_context.user_id)


def agent(agent_id: str, tool: Any, model: CallsTool | None = None, **more: Any) -> Agent:
    model = model or CallsTool(getattr(tool, "__name__", ""))
    return Agent(id=agent_id, name=agent_id, tools=[tool], model=model, telemetry=False, **more)


def second(issuer: str, audience: str = "os-2") -> Any:
    """Its agent says who runs it."""
    verifier = Verifier(issuer, audience=audience)
    interfaces: dict[str, Any] = {MCP: True, "a2a_interface": True}
    agent_os = AgentOS(
        id=audience,
        agents=[agent("web", whoami)],
        db=InMemoryDb(),
        telemetry=False,
        **interfaces,
        **verifier.auth(),
    )
    return verifier.attach(agent_os.get_app())


class First:
    """Its agents, team and workflows ask the second one, each in its way."""

    def __init__(self, issuer: str, second_url: str, secret: str = "secret") -> None:
        self.url = second_url
        self.verifier = Verifier(issuer, audience="os-1")
        self.tokens = TokenClient(issuer, CLIENT, client_secret=secret, audience="os-2")
        self.batch = TokenClient(issuer, "batch", client_secret="secret", audience="os-2")
        self.acting = self.verifier.on_behalf_of(self.tokens)
        self.or_batch = self.verifier.on_behalf_of(self.tokens, otherwise=self.batch)

    def app(self) -> Any:
        flows = {
            "flow": [Step(name="ask", agent=self.with_mcp("step"))],
            "parallel": [
                Parallel(*(Step(name=n, agent=self.with_mcp(n)) for n in ("one", "two")), name="p")
            ],
            "function": [Step(name="ask", executor=self.step)],
        }
        team = Team(
            id="team",
            name="team",
            members=[self.with_mcp("member")],
            model=CallsTool("delegate_task_to_member", member_id="member", task="ping"),
            telemetry=False,
        )
        interfaces: dict[str, Any] = {MCP: True}
        agent_os = AgentOS(
            id="os-1",
            agents=[
                self.with_mcp("mcp"),
                self.with_mcp("mcp-afresh", refresh_connection=True),
                self.with_mcp("or-batch", acting=self.or_batch, refresh_connection=True),
                agent("prepared", self.is_prepared, pre_hooks=[self.acting.async_token]),
                agent("sync", self.ask),
                agent("async", self.aask),
                remote_agent(self.acting, self.url, "web"),
                remote_agent(self.acting, f"{self.url}/a2a/agents/web", "a2a", protocol="a2a"),
            ],
            teams=[team],
            workflows=[
                Workflow(id=name, name=name, steps=steps, telemetry=False)
                for name, steps in flows.items()
            ],
            db=InMemoryDb(),
            telemetry=False,
            **interfaces,
            **self.verifier.auth(),
        )
        return self.verifier.attach(agent_os.get_app())

    def with_mcp(self, agent_id: str, acting: Any = None, **more: Any) -> Agent:
        tools = MCPTools(
            url=f"{self.url}/mcp",
            transport="streamable-http",
            header_provider=mcp_headers(acting or self.acting),
            **more,
        )
        return agent(agent_id, tools, CallsTool("run_agent", agent_id="web", message="ping"))

    def ask(self) -> str:
        """Ask the second AgentOS, in a thread."""
        form = {"message": "ping", "stream": "false"}
        with httpx.Client(base_url=self.url, auth=self.acting.auth(self.url), **NO_TLS) as http:
            return str(http.post("/agents/web/runs", data=form).json()["content"])

    async def aask(self) -> str:
        """Ask the second AgentOS, on the event loop."""
        form = {"message": "ping", "stream": "false"}
        auth = self.acting.auth(self.url)
        async with httpx.AsyncClient(base_url=self.url, auth=auth, **NO_TLS) as http:
            return str((await http.post("/agents/web/runs", data=form)).json()["content"])

    async def is_prepared(self) -> str:
        """Tell whether there is a token before anything has asked for it."""
        return str(self.acting.present()._lifecycle._token is not None)

    def step(self, _: StepInput) -> StepOutput:
        return StepOutput(content=self.ask())


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stop_when_stdin_ends()
    serve(Recorder(second(*sys.argv[-2:])), 0)
