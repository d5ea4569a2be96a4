"""The layer around an AgentOS, as far as it needs none."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from issuer.agentos.gate import Gate, Message, Receive, Scope, Send


class Nobody:
    """Knows no issuer."""

    def start(self) -> None:
        pass

    async def prepare_for(self, token: str) -> None:
        pass


async def started(_scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "lifespan.startup.complete"})


@pytest.fixture
def thawed() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


@pytest.mark.usefixtures("thawed")
@pytest.mark.parametrize("kind", ["lifespan", "http"])
def test_what_stands_when_the_app_has_started_is_spared_by_the_collector(kind: str) -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    gate = Gate(started, Nobody(), headers=[], cookies=[])
    asyncio.run(gate({"type": kind, "path": "/health", "headers": []}, None, send))
    assert said == [{"type": "lifespan.startup.complete"}]
    assert bool(gc.get_freeze_count()) == (kind == "lifespan")
