"""Starts an AgentOS that is mounted in another app, which does not do so itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any

from issuer.agentos.agno_app import places_within

Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]


def start_with(app: Any) -> None:
    """Run the lifespan of each AgentOS mounted in `app` within that of `app`.

    Starlette runs only the lifespan of the outermost app. Without its own, an AgentOS answers
    500 at `/mcp`, and has no scheduler. A lifespan that `app` already runs is not run again.
    """
    if getattr(app, "router", None) is None:
        return
    inner_apps = [each.app for each in places_within(app) if each.app is not app]
    mounted = {id(each): each for each in inner_apps if hasattr(each.state, "agent_os_id")}.values()
    for inner in mounted:
        once = _once(inner.router.lifespan_context)
        if app.router.lifespan_context is inner.router.lifespan_context:
            app.router.lifespan_context = once
        inner.router.lifespan_context = once
    if mounted:
        app.router.lifespan_context = _with(app.router.lifespan_context, list(mounted))


def _once(lifespan: Lifespan) -> Lifespan:
    """`lifespan`, or nothing while it is running: MCP's session manager starts only once."""
    is_running = False

    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[Any]:
        nonlocal is_running
        if is_running:
            yield None
            return
        is_running = True
        try:
            async with lifespan(app) as state:
                yield state
        finally:
            is_running = False

    return run


def _with(lifespan: Lifespan, mounted: list[Any]) -> Lifespan:
    @asynccontextmanager
    async def run(app: Any) -> AsyncIterator[Any]:
        async with AsyncExitStack() as running:
            state = await running.enter_async_context(lifespan(app))
            for inner in mounted:
                await running.enter_async_context(inner.router.lifespan_context(inner))
            yield state

    return run
