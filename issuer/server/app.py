"""The server: mounts the interfaces and middleware, runs the background threads."""

import gc
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache, partial
from random import Random
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from issuer import __version__
from issuer.admin import (
    admin_layers,
    admin_routes,
    admin_templates,
    install_problem_handlers,
    manifest_schemas,
    problem_schemas,
    unforeseen,
)
from issuer.background.workers import WorkerPool
from issuer.clients.documents import MAX_FETCHES_AT_ONCE
from issuer.composition import Composition, build_telemetry, compose
from issuer.http.middleware import (
    DirectRoutes,
    Observer,
    PathPrefix,
    RequestContext,
    RouteTemplate,
    templates_of,
)
from issuer.http.requests import RawHeaders
from issuer.oauth import (
    TOKEN_PATH,
    IssuerAuthorizationServer,
    protocol_paths,
    protocol_routes,
    security_schemes,
)
from issuer.rate_limits import ClientQueues, PasswordPool, RefusalPace, build_limits
from issuer.server.probes import (
    health_paths,
    health_routes,
    metrics_path,
    metrics_route,
    metrics_security_scheme,
)
from issuer.settings import Settings
from issuer.status import RunningServer
from issuer.telemetry import logs
from issuer.telemetry.metrics import LINTS, Metrics
from issuer.web import (
    Pages,
    ReadablePaths,
    api_docs_routes,
    not_found_page,
    problem_page,
    web_routes,
)

_INTRODUCTION = """\
An OAuth 2.0 authorization server for AgentOS.

- **Protocol endpoints** (`/oauth2/…`, `/.well-known/…`) follow RFC 6749, 7009, 7662, 7517, 8414.
- **The admin API** (`/admin/v1/…`) takes an access token of this issuer whose audience is the
  issuer itself: ask the token endpoint with `audience` set to the issuer's URL. Each operation
  needs a scope such as `issuer:roles:read`; `issuer:admin` covers all of them.
- **Errors** of the admin API are problem details (RFC 9457, `application/problem+json`) with a
  stable `type`. Those of the protocol endpoints are as in RFC 6749 §5.2.
- **Conditional requests**: resources have strong ETags. With `If-Match` a change is made only if
  nothing changed meanwhile (else 412), with `If-None-Match` a known answer is not sent (304).
- **Lists** are paged: ask again with `cursor` set to `next_cursor` until that is null.
- **Durations** are whole seconds, or in requests text with a unit, such as `"15m"`.
"""

_QUERY_WORKERS = 8
_QUERY_QUEUE = 256
_PLANS_AT_ONCE = 2  # each may take a hundred megabytes
_LINTS_WAITING = 16

_OBJECTS_BETWEEN_COLLECTIONS = 50_000
_SECONDS_OF_A_THREAD = 0.0005  # a tenth of the default


def create_app(parts: Composition) -> DirectRoutes:
    """The application; `ConfigurationError` says in one sentence why the server cannot start."""
    settings, clock, telemetry = parts.settings, parts.clock, parts.telemetry
    metrics = telemetry.metrics
    limits = build_limits(settings, clock, metrics)
    pools = (
        queries := WorkerPool("queries", _QUERY_WORKERS, _QUERY_QUEUE, metrics),
        # Apart: pages may wait for metadata documents for seconds, but never all threads do.
        people := WorkerPool("people", _QUERY_WORKERS + MAX_FETCHES_AT_ONCE, _QUERY_QUEUE, metrics),
        # A manifest may name a million users. The database bounds each of its statements.
        plans := WorkerPool("plans", _PLANS_AT_ONCE, 0, metrics, max_seconds=None),
        lints := WorkerPool("lints", 1, _LINTS_WAITING, metrics),
        hashing := WorkerPool(
            "passwords", settings.password_workers, settings.password_queue, metrics
        ),
    )
    passwords = PasswordPool(hashing, limits, clock, metrics)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        parts.background.start()
        await limits.open()
        try:
            yield
        finally:
            for pool in pools:
                pool.stop()
            await limits.close()
            parts.background.stop()

    base = settings.base_path
    app = FastAPI(
        title="AgentOS issuer",
        summary="Access tokens for AgentOS deployments",
        description=_INTRODUCTION,
        version=__version__,
        lifespan=lifespan,
        openapi_url=f"{base}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Otherwise it looks for OpenTelemetry in the environment at each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    server = IssuerAuthorizationServer(parts.protocol)
    app.state.server = parts.running(pools)
    _expose_metrics(app, app.state.server, metrics)
    pages = Pages(settings, clock)
    protocol = protocol_routes(
        parts.protocol,
        server,
        queries,
        people,
        passwords,
        metrics,
        limits,
        problem_page(pages, base),
        telemetry.tracing,
    )
    app.router.routes.extend(protocol)
    app.router.routes.extend(health_routes(parts.readiness))
    paths = {**protocol_paths(settings, server.grants), **health_paths(settings)}
    _describe(app, paths, security_schemes())
    web = web_routes(parts.web, pages, people, passwords, plans, metrics)
    app.router.routes.extend(web)
    if settings.api_docs:
        app.router.routes.extend(api_docs_routes(pages, base))
    app.router.routes.extend(admin_routes(base))
    _render_openapi_once(app)
    install_problem_handlers(app, not_found_page(pages, base))
    observers = _observers(settings, metrics, parts.foundation.random)
    if observers or telemetry.tracing.is_on:
        app.add_middleware(
            RouteTemplate, templates={**templates_of(app, base), **admin_templates()}
        )
    layer = admin_layers(RefusalPace(clock))
    app.add_middleware(PathPrefix, prefix=f"{base}/admin/", layer=layer)
    readable = partial(ReadablePaths, pages=pages, base=base)
    app.add_middleware(PathPrefix, prefix=f"{base}/console/", layer=readable)
    headers = _headers(settings)
    app.add_middleware(RequestContext, unforeseen=unforeseen, observers=observers, headers=headers)
    app.state.administration = parts.administration
    app.state.plans = plans
    app.state.passwords = passwords
    app.state.lints = lints
    app.state.lint_queues = ClientQueues(clock, _LINTS_WAITING, limit=LINTS, metrics=metrics)
    return DirectRoutes(
        app, {route.path: _frame(route, base, observers, metrics, headers) for route in protocol}
    )


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
        route = metrics_route(settings, settings.metrics_token, metrics.exposition)
        app.router.routes.append(route)
        _describe(app, metrics_path(settings), metrics_security_scheme())


def _observers(settings: Settings, metrics: Metrics, random: Random) -> list[Observer]:
    """What is called after each request."""
    observers: list[Observer] = []
    if metrics.is_stored:
        observers.append(metrics.request_answered)
    if settings.logged_share is not None:
        observers.append(logs.RequestLog(settings.logged_share, random))
    return observers


def _frame(
    route: Route,
    base: str,
    observers: Sequence[Observer],
    metrics: Metrics,
    headers: RawHeaders,
) -> RequestContext:
    """The frame of a protocol endpoint. The token endpoint has metrics of its own."""
    template = route.path.removeprefix(base)
    if template == TOKEN_PATH:
        observers = [each for each in observers if each != metrics.request_answered]
    return RequestContext(route.endpoint, route=template, observers=observers, headers=headers)


def _headers(settings: Settings) -> RawHeaders:
    """What every answer has."""
    return [(b"strict-transport-security", settings.hsts.encode())] if settings.hsts else []


def _describe(app: FastAPI, paths: dict[str, Any], schemes: dict[str, Any]) -> None:
    """Add `paths` and their security schemes to `/openapi.json`."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        schema["paths"] = {**paths, **schema["paths"]}
        components = schema.setdefault("components", {})
        components.setdefault("securitySchemes", {}).update(schemes)
        ours = {**manifest_schemas(), **problem_schemas()}
        components["schemas"] = {**ours, **components.get("schemas", {})}
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def _render_openapi_once(app: FastAPI) -> None:
    """Cache the body of `/openapi.json`. FastAPI renders it at each request.

    That takes longer than many token requests, on the event loop, without authentication.
    """

    @cache
    def document() -> bytes:
        return bytes(JSONResponse(app.openapi()).body)

    async def openapi(_: Request) -> Response:
        return Response(document(), media_type="application/json")

    assert app.openapi_url is not None
    app.router.routes.insert(0, Route(app.openapi_url, openapi))  # before FastAPI's own


def app_from_environment() -> ASGIApp:
    """The application as each worker process of `issuer serve` builds it."""
    settings = Settings.from_environment()
    logs.configure(settings.log_level)
    parts = compose(settings, telemetry=build_telemetry(settings))
    app: ASGIApp = parts.telemetry.tracing.requests(create_app(parts))
    # The application lives as long as the process: exclude it from garbage collection. Not in
    # `create_app`, since in tests an application ends before the process.
    gc.collect()
    gc.freeze()
    # Collect less often than after 700 objects: those of waiting requests are no garbage yet.
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # How long a computing thread may keep the event loop waiting.
    sys.setswitchinterval(_SECONDS_OF_A_THREAD)
    return app
