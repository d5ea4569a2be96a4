"""The middleware around an AgentOS, tested without one."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from issuer.agentos.key_fetching import (
    KeyFetching,
    Message,
    Receive,
    Scope,
    Send,
    TokenPlaces,
)


async def prepare_for(_token: str) -> None:
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
def test_objects_of_the_started_app_are_excluded_from_garbage_collection(kind: str) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    middleware = KeyFetching(started, TokenPlaces([], []), lambda: None, prepare_for, id)
    asyncio.run(middleware({"type": kind, "path": "/health", "headers": []}, None, send))
    assert sent == [{"type": "lifespan.startup.complete"}]
    assert bool(gc.get_freeze_count()) == (kind == "lifespan")
