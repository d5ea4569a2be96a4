"""The AgentOS of examples/demo.py. Its agents need no model and no API key.

    python examples/demo_agentos.py FD ISSUER AUDIENCE

serves on the listening socket `FD`, and prints its URL once it answers.
"""

import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS

from issuer.agentos import Verifier

AGENTS = ("web", "billing")


class StubModel(Model):
    """Gives the same answer to everything, at once and without a network."""

    def __init__(self, answer: str) -> None:
        super().__init__(id="stub", name="Stub", provider="Stub")
        self._text = answer

    def _answer(self) -> ModelResponse:
        return ModelResponse(role="assistant", content=self._text)

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


class AnnouncingServer(uvicorn.Server):
    """Prints where it serves, once it answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        host, port = (sockets or [])[0].getsockname()
        print(f"http://{host}:{port}", flush=True)
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no one reads the log of agno
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def main(descriptor: str, issuer: str, audience: str) -> None:
    logging.basicConfig(level=logging.ERROR)  # when both are stopped, the issuer may go first
    logging.getLogger("issuer.agentos.agno_hook").setLevel(logging.WARNING)
    agents: list[Any] = [
        Agent(id=name, name=name, model=StubModel(f"The agent {name} answers."), telemetry=False)
        for name in AGENTS
    ]
    listener = socket.socket(fileno=int(descriptor))
    host, port = listener.getsockname()
    verifier = Verifier(issuer, audience=audience, url=f"http://{host}:{port}")
    agent_os = AgentOS(id=audience, agents=agents, mcp=True, telemetry=False, **verifier.auth())
    app = verifier.attach(agent_os.get_app())
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    AnnouncingServer(config).run(sockets=[listener])


if __name__ == "__main__":
    main(*sys.argv[1:])
