"""The server: mounts the interfaces and middleware, runs the background threads."""

import gc
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from starlette.routing import Route, Router
from starlette.types import ASGIApp

from issuer import oauth
from issuer.composition import Composition, compose
from issuer.composition.background import BackgroundJobs
from issuer.composition.foundation import build_telemetry
from issuer.http.middleware import BuiltOnFirstUse, DirectRoutes, Observer, RequestContext
from issuer.rate_limits.limits import RateLimits, build_limits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.server import probes
from issuer.server.parts import Pools, ServerParts
from issuer.settings import Settings
from issuer.status.readiness import RunningServer
from issuer.telemetry import logs
from issuer.telemetry.metrics import Metrics
from issuer.vocabulary import TOKEN_PATH

if TYPE_CHECKING:  # imported with the first request for the admin API or a page
    from starlette.applications import Starlette

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
_SECONDS_OF_A_THREAD = 0.0005  # a tenth of the default


def create_app(parts: Composition) -> DirectRoutes:
    """The application; `ConfigurationError` says in one sentence why the server cannot start."""
    settings, telemetry = parts.settings, parts.telemetry
    metrics, tracing = telemetry.metrics, telemetry.tracing
    limits = build_limits(settings, parts.clock, metrics)
    pools = Pools(settings, metrics)
    passwords = PasswordPool(pools.passwords, limits, parts.clock, metrics)
    running = parts.running(pools.all)
    observers: list[Observer] = [metrics.request_answered] if metrics.is_stored else []
    if settings.logged_share is not None:
        observers.append(logs.RequestLog(settings.logged_share, parts.foundation.random))
    hsts = settings.hsts
    headers = [(b"strict-transport-security", hsts.encode())] if hsts else []
    shared = ServerParts(parts.web, running, pools, passwords, limits, metrics, observers, headers)
    server = oauth.IssuerAuthorizationServer(parts.protocol)
    workers, page = (pools.queries, pools.people, passwords), shared.problem_page
    protocol = oauth.protocol_routes(
        parts.protocol, server, *workers, metrics, limits, page, tracing
    )
    health = probes.health_routes(parts.readiness)
    routes = [*protocol, *health, *_metrics_routes(running, metrics)]

    def admin_and_pages() -> "Starlette":
        from issuer.server.admin_and_pages import build_admin_and_pages  # noqa: PLC0415 - 20 MB

        return build_admin_and_pages(shared, routes, server.grants, is_traced=tracing.is_on)

    direct = {}
    for route in routes:
        name = route.path.removeprefix(settings.base_path)
        has_own_metrics = name == TOKEN_PATH
        observe = [o for o in observers if not (has_own_metrics and o == metrics.request_answered)]
        direct[route.path] = RequestContext(
            route.endpoint, route=name, observers=observe, headers=headers
        )
    lifespan = Router(lifespan=_lifespan(parts.background, pools, limits))
    return DirectRoutes(BuiltOnFirstUse(admin_and_pages, lifespan), direct)


def _lifespan(
    background: BackgroundJobs, pools: Pools, limits: RateLimits
) -> Callable[[object], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        background.start()
        await limits.open()
        try:
            yield
        finally:
            for pool in pools.all:
                pool.stop()
            await limits.close()
            background.stop()

    return lifespan


def _metrics_routes(running: RunningServer, metrics: Metrics) -> list[Route]:
    """`/metrics`, only with `ISSUER_METRICS_TOKEN`."""
    settings = running.settings
    if not metrics.is_stored:
        return []
    # Imported here: the library needs memory, and reads the environment on import.
    from issuer.status.metrics import expose  # noqa: PLC0415 - 1.3 MB
    from issuer.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415 - 1.0 MB

    assert isinstance(metrics, PrometheusMetrics)
    expose(running, metrics)
    if settings.metrics_token is None:
        return []
    return [probes.metrics_route(settings, settings.metrics_token, metrics.exposition)]


def app_from_environment() -> ASGIApp:
    """The application of a process; `IssuerError` if it cannot start.

    RSA keys are slow to read: once here, before there are requests.
    """
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    parts = compose(settings, telemetry=build_telemetry(settings))
    parts.background.prepare()
    tracing = parts.telemetry.tracing
    app: ASGIApp = tracing.requests(create_app(parts))
    # The application lives as long as the process: exclude it from garbage collection. Not in
    # `create_app`, since in tests an application ends before the process.
    gc.freeze()
    # Collect less often than after 700 objects: those of waiting requests are no garbage yet.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # How long a computing thread may keep the event loop waiting.
    sys.setswitchinterval(_SECONDS_OF_A_THREAD)
    return app
