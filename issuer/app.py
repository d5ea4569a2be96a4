"""The server: mounts the doors, frames every answer, runs the background threads."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from issuer import __version__, logs
from issuer.clock import Clock
from issuer.health import health_routes
from issuer.http import RequestFrame
from issuer.oauth import protocol_routes
from issuer.services import Services, build_services
from issuer.settings import Settings
from issuer.workers import WorkerPool

_QUERY_WORKERS = 8
_QUERY_QUEUE = 256
_LOWEST_PRIORITY = 19


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The application for `settings`, on an initialised database.

    `ConfigurationError` says in one sentence why the house cannot open.
    """
    services = build_services(settings, clock)
    queries = WorkerPool("queries", _QUERY_WORKERS, _QUERY_QUEUE)
    passwords = WorkerPool(
        "passwords", settings.password_workers, settings.password_queue, nice=_LOWEST_PRIORITY
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.start()
        # What was built at the start stays for good: the collector need not look at it again.
        gc.collect()
        gc.freeze()
        try:
            yield
        finally:
            passwords.stop()
            queries.stop()
            services.stop()

    app = FastAPI(
        title="AgentOS issuer",
        version=__version__,
        lifespan=lifespan,
        openapi_url=f"{settings.base_path}/openapi.json",
        docs_url=f"{settings.base_path}/docs",
        redoc_url=None,
        redirect_slashes=False,
    )
    app.router.routes.extend(protocol_routes(services, queries, passwords))
    app.router.routes.extend(health_routes(services, queries))
    app.add_middleware(RequestFrame)
    app.state.services = services
    return app


def app_from_environment() -> FastAPI:
    """The application as each worker process of `issuer serve` builds it."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    return create_app(settings)


__all__ = ["Services", "app_from_environment", "create_app"]
