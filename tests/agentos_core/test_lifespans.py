"""An AgentOS that is mounted in another app starts and stops with it, once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from issuer.agentos.agno_app import start_with


def agent_os(events: list[str], name: str = "inner") -> FastAPI:
    """An app that looks like one of agno."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        events.append(f"{name} starts")
        yield
        events.append(f"{name} stops")

    app = FastAPI(lifespan=lifespan)
    app.state.agent_os_id = name
    return app


def never_started(_: FastAPI) -> FastAPI:
    return FastAPI()


def started_by_the_outer_app(inner: FastAPI) -> FastAPI:
    return FastAPI(lifespan=inner.router.lifespan_context)


def started_in_the_lifespan_of_the_outer_app(inner: FastAPI) -> FastAPI:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        async with inner.router.lifespan_context(inner):
            yield {"own": "state"}

    return FastAPI(lifespan=lifespan)


@pytest.mark.parametrize(
    "outer_of",
    [never_started, started_by_the_outer_app, started_in_the_lifespan_of_the_outer_app],
)
def test_a_mounted_agent_os_is_started_once(outer_of: Callable[[FastAPI], FastAPI]) -> None:
    events: list[str] = []
    inner = agent_os(events)
    outer = outer_of(inner)
    outer.mount("/os", inner)
    outer.mount("/again", inner)
    start_with(outer)
    start_with(outer)
    for _ in range(2):
        with TestClient(outer):
            assert events == ["inner starts"]
        assert events == ["inner starts", "inner stops"]
        events.clear()


def test_other_mounted_apps_are_not_started() -> None:
    events: list[str] = []
    other, outer = agent_os(events), agent_os(events, "outer")
    del other.state.agent_os_id
    outer.mount("/other", other)
    start_with(outer)
    with TestClient(outer):
        assert events == ["outer starts"]


def test_the_outer_app_keeps_the_state_of_its_lifespan() -> None:
    inner = agent_os([])
    outer = started_in_the_lifespan_of_the_outer_app(inner)
    outer.mount("/os", inner)
    start_with(outer)
    with TestClient(outer) as client:
        assert client.app_state == {"own": "state"}
