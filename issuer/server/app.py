"""The server: mounts the interfaces and middleware, runs the background threads."""

import gc
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp

from issuer import oauth, web
from issuer.admin.api import admin_routes, admin_templates
from issuer.admin.limits import admin_layers
from issuer.admin.parts import AdminParts
from issuer.admin.refusals import install_problem_handlers, unforeseen
from issuer.background.workers import WorkerPool
from issuer.clients.documents import MAX_FETCHES_AT_ONCE
from issuer.composition import Composition, compose
from issuer.composition.background import BackgroundJobs
from issuer.composition.foundation import build_telemetry
from issuer.http.middleware import (
    DirectRoutes,
    Observer,
    RequestContext,
    layer_below,
    note_templates,
    templates_of,
)
from issuer.rate_limits.client_queue import ClientQueues
from issuer.rate_limits.limits import RateLimits, build_limits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.rate_limits.rate import RefusalPace
from issuer.server import probes
from issuer.server.openapi import describe, new_api, render_openapi_once
from issuer.server.own_routes import routes_of
from issuer.settings import Settings
from issuer.status.report import RunningServer
from issuer.telemetry import logs
from issuer.telemetry.metrics import LINTS, Metrics

_QUERY_WORKERS = 8
_QUERY_QUEUE = 256
_PLANS_AT_ONCE = 2  # each may take a hundred megabytes
_LINTS_WAITING = 16

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
_SECONDS_OF_A_THREAD = 0.0005  # a tenth of the default


class Pools:
    """Threads for what must not block the event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.queries = WorkerPool("queries", _QUERY_WORKERS, _QUERY_QUEUE, metrics)
        # Apart: pages may wait for metadata documents for seconds, but never all threads do.
        people = _QUERY_WORKERS + MAX_FETCHES_AT_ONCE
        self.people = WorkerPool("people", people, _QUERY_QUEUE, metrics)
        # A manifest may name a million users. The database bounds each of its statements.
        self.plans = WorkerPool("plans", _PLANS_AT_ONCE, 0, metrics, max_seconds=None)
        self.lints = WorkerPool("lints", 1, _LINTS_WAITING, metrics)
        workers, queue = settings.password_workers, settings.password_queue
        self.passwords = WorkerPool("passwords", workers, queue, metrics)
        self.all = (self.queries, self.people, self.plans, self.lints, self.passwords)


def create_app(parts: Composition) -> DirectRoutes:
    """The application; `ConfigurationError` says in one sentence why the server cannot start."""
    settings, telemetry, base = parts.settings, parts.telemetry, parts.settings.base_path
    metrics = telemetry.metrics
    limits = build_limits(settings, parts.clock, metrics)
    pools = Pools(settings, metrics)
    passwords = PasswordPool(pools.passwords, limits, parts.clock, metrics)
    app = new_api(base, _lifespan(parts.background, pools, limits))
    running = parts.running(pools.all)
    _expose_metrics(app, running, metrics)
    pages = web.Pages(settings, parts.clock)
    server = oauth.IssuerAuthorizationServer(parts.protocol)
    protocol = oauth.protocol_routes(
        parts.protocol,
        server,
        pools.queries,
        pools.people,
        passwords,
        metrics,
        limits,
        web.problem_page(pages, base),
        telemetry.tracing,
    )
    app.router.routes.extend([*protocol, *probes.health_routes(parts.readiness)])
    paths = {**oauth.protocol_paths(settings, server.grants), **probes.health_paths(settings)}
    describe(app, paths, oauth.security_schemes())
    app.router.routes.extend(
        web.web_routes(parts.web, pages, pools.people, passwords, pools.plans, metrics)
    )
    if settings.api_docs:
        app.router.routes.extend(web.api_docs_routes(pages, base))
    queues = ClientQueues(parts.clock, _LINTS_WAITING, limit=LINTS, metrics=metrics)
    common = (parts.administration, running)
    # The routes are those of all applications in a process; the parts are those of this one.
    app.state.admin = AdminParts(*common, pools.plans, passwords, pools.lints, queues)
    parts.administration.explainer.own_api.routes = partial(routes_of, settings)
    app.router.routes.extend(admin_routes(base))
    render_openapi_once(app)
    install_problem_handlers(app, web.not_found_page(pages, base))
    return _add_middleware(app, parts, protocol, pages)


def _lifespan(
    background: BackgroundJobs, pools: Pools, limits: RateLimits
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
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


def _add_middleware(
    app: FastAPI, parts: Composition, protocol: Sequence[Route], pages: web.Pages
) -> DirectRoutes:
    """Around all routes; the protocol endpoints are reached without it."""
    settings, base = parts.settings, parts.settings.base_path
    metrics = parts.telemetry.metrics
    observers: list[Observer] = [metrics.request_answered] if metrics.is_stored else []
    if settings.logged_share is not None:
        observers.append(logs.RequestLog(settings.logged_share, parts.foundation.random))
    if observers or parts.telemetry.tracing.is_on:
        templates = {**templates_of(app, base), **admin_templates()}
        app.add_middleware(note_templates, templates=templates)
    layer = partial(admin_layers, pace=RefusalPace(parts.clock))
    app.add_middleware(layer_below, prefix=f"{base}/admin/", layer=layer)
    readable = partial(web.ReadablePaths, pages=pages, base=base)
    app.add_middleware(layer_below, prefix=f"{base}/console/", layer=readable)
    hsts = settings.hsts
    headers = [(b"strict-transport-security", hsts.encode())] if hsts else []
    app.add_middleware(RequestContext, unforeseen=unforeseen, observers=observers, headers=headers)
    direct = {}
    for route in protocol:
        name = route.path.removeprefix(base)
        has_own_metrics = name == oauth.TOKEN_PATH
        observe = [o for o in observers if not (has_own_metrics and o == metrics.request_answered)]
        direct[route.path] = RequestContext(
            route.endpoint, route=name, observers=observe, headers=headers
        )
    return DirectRoutes(app, direct)


def _expose_metrics(app: FastAPI, running: RunningServer, metrics: Metrics) -> None:
    """`/metrics`, only with `ISSUER_METRICS_TOKEN`."""
    settings = running.settings
    if not metrics.is_stored:
        return
    # Imported here: the library needs memory, and reads the environment on import.
    from issuer.status.metrics import expose  # noqa: PLC0415
    from issuer.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415

    assert isinstance(metrics, PrometheusMetrics)
    expose(running, metrics)
    if settings.metrics_token is not None:
        route = probes.metrics_route(settings, settings.metrics_token, metrics.exposition)
        app.router.routes.append(route)
        describe(app, probes.metrics_path(settings), probes.metrics_security_scheme())


def app_from_environment() -> ASGIApp:
    """The application as each worker process of `issuer serve` builds it."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    parts = compose(settings, telemetry=build_telemetry(settings))
    tracing = parts.telemetry.tracing
    app: ASGIApp = tracing.requests(create_app(parts))
    # The application lives as long as the process: exclude it from garbage collection. Not in
    # `create_app`, since in tests an application ends before the process.
    gc.collect()
    gc.freeze()
    # Collect less often than after 700 objects: those of waiting requests are no garbage yet.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # How long a computing thread may keep the event loop waiting.
    sys.setswitchinterval(_SECONDS_OF_A_THREAD)
    return app
