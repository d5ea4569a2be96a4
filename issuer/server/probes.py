"""What monitoring asks: `/healthz`, `/readyz`, and `/metrics` with ISSUER_METRICS_TOKEN."""

import asyncio
from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from issuer.audit import Actor, Event
from issuer.background.workers import WorkerPool
from issuer.database.outage import LOG_EVERY
from issuer.errors import DatabaseUnavailable, IssuerError
from issuer.http.middleware import AllowedMethods, Endpoint
from issuer.http.requests import bearer_token
from issuer.settings import Settings
from issuer.status.readiness import Readiness
from issuer.telemetry.logs import get_logger

_CHECK_EVERY = 1.0  # seconds
_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_SCHEME = "metrics_token"
_NEVER_STORED = {"Cache-Control": "no-store"}

log = get_logger(__name__)


class ReadinessProbe:
    """Whether tokens can be issued now, checked by a write whose result requests share."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._clock = readiness.clock
        # A worker of its own: a flood of requests must not make a working server look broken.
        self._worker = WorkerPool("readiness", workers=1, queue=0)
        self._check: asyncio.Task[IssuerError | None] | None = None
        self._checked_at = float("-inf")
        self._logged: tuple[str, float] = ("", float("-inf"))

    async def is_ready(self) -> bool:
        now = self._clock.monotonic()
        is_old = now - self._checked_at >= _CHECK_EVERY
        if self._check is None or (self._check.done() and is_old):
            self._checked_at = now
            self._check = asyncio.create_task(self._failure())
        # A caller that disconnects must not cancel the check for the others.
        return await asyncio.shield(self._check) is None

    async def _failure(self) -> IssuerError | None:
        try:
            # At once, also while the worker waits for the database.
            self._readiness.changes.require_current()
            audit = self._readiness.audit_writer
            if (failure := audit.failure) is not None:
                # The event of a token failed: only one of that size shows that writing works again.
                details = {"cause": str(failure)}
                resumed = Event(self._clock(), Actor(), "audit.resumed", details=details)
                await audit.record(resumed)
            await self._worker.run(self._readiness.require)
        except DatabaseUnavailable as error:
            return error  # logged already, once a minute
        except IssuerError as error:
            self._log(str(error))
            return error
        return None

    def _log(self, cause: str) -> None:
        now = self._clock.monotonic()
        logged, at = self._logged
        if cause != logged or now - at >= LOG_EVERY:
            self._logged = (cause, now)
            log.warning("not_ready", cause=cause)


def health_routes(readiness: Readiness) -> list[Route]:
    """`/healthz`: the process answers. `/readyz`: tokens can be issued now."""
    probe = ReadinessProbe(readiness)

    async def healthz(_: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def readyz(_: Request) -> Response:
        # The cause is only logged: probes are unauthenticated, and it may name the database.
        if await probe.is_ready():
            return _answer(200, {"status": "ready"})
        return _answer(503, {"status": "not ready"})

    base = readiness.settings.base_path
    return [_route(f"{base}/healthz", healthz), _route(f"{base}/readyz", readyz)]


def _route(path: str, endpoint: Endpoint) -> Route:
    only = AllowedMethods("GET", "HEAD", endpoint=endpoint, is_for_scripts=False)
    return Route(path, only, methods=["GET"])


def health_paths(settings: Settings) -> dict[str, Any]:
    """The probes as OpenAPI describes them."""
    alive = {"200": {"description": "The process is alive"}}
    ready = {
        "200": {"description": "The process can issue tokens"},
        "503": {"description": "Not ready; the cause is in the log"},
    }
    return {
        f"{settings.base_path}/healthz": _operation("Liveness probe", responses=alive),
        f"{settings.base_path}/readyz": _operation("Readiness probe", responses=ready),
    }


def _operation(summary: str, **more: Any) -> dict[str, Any]:
    return {"get": {"tags": ["probes"], "summary": summary, **more}}


def _answer(status: int, body: dict[str, str]) -> Response:
    return JSONResponse(body, status, headers=_NEVER_STORED)


def metrics_route(settings: Settings, token: SecretStr, exposition: Callable[[], bytes]) -> Route:
    """The route of a server with metrics."""

    async def metrics(request: Request) -> Response:
        sent = bearer_token(request.scope["headers"]) or ""
        if not compare_digest(sent.encode(), token.get_secret_value().encode()):
            headers = {**_NEVER_STORED, "WWW-Authenticate": "Bearer"}
            return PlainTextResponse("This needs the metrics token.\n", 401, headers=headers)
        return Response(exposition(), media_type=_TEXT_FORMAT, headers=_NEVER_STORED)

    return _route(f"{settings.base_path}/metrics", metrics)


def metrics_path(settings: Settings) -> dict[str, Any]:
    """The route as OpenAPI describes it."""
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    responses = {
        "200": {"description": "The text format 0.0.4", **text},
        "401": {"description": "Without the metrics token", **text},
    }
    described = _operation("Metrics for Prometheus", security=[{_SCHEME: []}], responses=responses)
    return {f"{settings.base_path}/metrics": described}


def metrics_security_scheme() -> dict[str, Any]:
    """How a scraper authenticates, for `components`."""
    return {_SCHEME: {"type": "http", "scheme": "bearer"}}
