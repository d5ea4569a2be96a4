"""A real AgentOS in a process of its own, without any code of this project.

    python server.py --jwks-file jwks.json --audience my-os

It runs under the interpreter with the agno to be tested, so it imports agno, uvicorn and the
standard library only. Besides the logs of agno it prints one line to standard output,
`{"url": …, "agno": …}`. SIGTERM ends it with status 0, and so does the end of its standard input
under `--while-stdin-is-open`, so that no server keeps running after the tests.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.db.in_memory import InMemoryDb
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS
from agno.team import Team
from agno.workflow import Step, Workflow


class FixedAnswer(Model):
    """A model with one fixed answer, without a network."""

    answer = "pong"

    def __init__(self) -> None:
        super().__init__(id="stub", name="Stub", provider="Stub")

    def _answer(self) -> ModelResponse:
        return ModelResponse(role="assistant", content=self.answer)

    def invoke(self, *_: Any, **__: Any) -> ModelResponse:
        return self._answer()

    async def ainvoke(self, *_: Any, **__: Any) -> ModelResponse:
        return self._answer()

    def invoke_stream(self, *_: Any, **__: Any) -> Iterator[ModelResponse]:
        yield self._answer()

    async def ainvoke_stream(self, *_: Any, **__: Any) -> AsyncIterator[ModelResponse]:
        yield self._answer()

    def _parse_provider_response(self, response: ModelResponse, **_: Any) -> ModelResponse:
        return response

    def _parse_provider_response_delta(self, response: ModelResponse) -> ModelResponse:
        return response


def stub_agent(agent_id: str) -> Agent:
    return Agent(id=agent_id, name=agent_id, model=FixedAnswer(), telemetry=False)


def build_agent_os(options: argparse.Namespace) -> AgentOS:
    """An AgentOS with stub agents, one team and one workflow, which requires valid tokens."""
    agents = [stub_agent(agent_id) for agent_id in options.agents]
    team = Team(
        id=options.team,
        name=options.team,
        members=[stub_agent("member")],
        model=FixedAnswer(),
        telemetry=False,
    )
    workflow = Workflow(
        id=options.workflow,
        name=options.workflow,
        steps=[Step(name="only", agent=stub_agent("step"))],
        telemetry=False,
    )
    return AgentOS(
        id=options.id,
        agents=agents,
        teams=[team],
        workflows=[workflow],
        db=InMemoryDb(),
        telemetry=False,
        **authorization(
            jwks_file=options.jwks_file,
            verification_keys=[Path(pem).read_text() for pem in options.pem_file] or None,
            algorithm=options.algorithm,
            verify_audience=True,
            audience=options.audience,
        ),
    )


def authorization(**verification: Any) -> dict[str, Any]:
    """Arguments of this agno's AgentOS to verify tokens: one object from 3.1.0 on, two before."""
    try:
        from agno.os import Authorization  # noqa: PLC0415 - absent before 3.1.0
    except ImportError:
        from agno.os.config import AuthorizationConfig  # noqa: PLC0415 - deprecated from 3.1.0 on

        return {
            "authorization": True,
            "authorization_config": AuthorizationConfig(**verification),
        }
    return {"authorization": Authorization(**verification)}


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--id", default="my-os")
    parser.add_argument("--audience", help="default: the id")
    parser.add_argument("--algorithm", default="RS256")
    parser.add_argument("--jwks-file")
    parser.add_argument("--pem-file", action="append", default=[], help="a public key; repeatable")
    parser.add_argument("--agents", nargs="+", default=["web", "billing"])
    parser.add_argument("--team", default="support")
    parser.add_argument("--workflow", default="intake")
    parser.add_argument("--while-stdin-is-open", action="store_true")
    options = parser.parse_args(arguments)
    options.audience = options.audience or options.id
    return options


def stop_when_stdin_ends() -> None:
    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1024):  # not sys.stdin.read: its lock stays held
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True).start()


def serve(app: Any, port: int) -> None:
    """Print the URL and serve `app` on loopback until SIGTERM or SIGINT."""
    listener = socket.create_server(("127.0.0.1", port))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    print(json.dumps({"url": url, "agno": version("agno")}), flush=True)  # noqa: T201
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
    server.run(sockets=[listener])


if __name__ == "__main__":
    # uvicorn raises the signal again after a clean shutdown; stopping on request is no failure.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    options = parse_options(sys.argv[1:])
    if options.while_stdin_is_open:
        stop_when_stdin_ends()
    serve(build_agent_os(options).get_app(), options.port)
