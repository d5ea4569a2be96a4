"""A real AgentOS for the demo, in its own process. Its agents need no model and no API key.

    python -m issuer.cli.stub_agent_os FD ISSUER AUDIENCE

serves on the listening socket `FD` until SIGTERM, or until its standard input ends, as it does
when the parent process ends.
"""

import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import uvicorn
from agno.agent import Agent
from agno.models.base import Model
from agno.models.response import ModelResponse
from agno.os import AgentOS

from issuer.agentos import Verifier
from issuer.cli.processes import end_quietly_on_signals

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


def built(issuer: str, audience: str) -> Any:
    """The app of an AgentOS that accepts tokens of `issuer`."""
    agents: list[Any] = [
        Agent(id=name, name=name, model=StubModel(f"The agent {name} answers."), telemetry=False)
        for name in AGENTS
    ]
    verifier = Verifier(issuer, audience=audience)
    agent_os = AgentOS(id=audience, agents=agents, telemetry=False, **verifier.auth())
    return verifier.attach(agent_os.get_app())


def _end_with_standard_input() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    end_quietly_on_signals()
    logging.basicConfig(level=logging.ERROR)  # when both are stopped, the issuer may go first
    threading.Thread(target=_end_with_standard_input, daemon=True).start()
    descriptor, issuer, audience = sys.argv[1:]
    config = uvicorn.Config(
        built(issuer, audience), log_level="warning", timeout_graceful_shutdown=3
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(descriptor))])
