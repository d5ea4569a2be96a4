"""Is it alive, and is it ready for work?"""

from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from issuer.database import require_current_schema
from issuer.errors import IssuerError
from issuer.services import Services
from issuer.settings import Settings
from issuer.workers import WorkerPool

log = structlog.get_logger(__name__)


def health_routes(services: Services) -> list[Route]:
    """`/healthz`: the process answers. `/readyz`: database, schema and keys are as they must be."""
    # Of its own: a flood of requests must not make a working server look broken.
    probes = WorkerPool("probes", workers=1, queue=16)

    async def healthz(_: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def readyz(_: Request) -> Response:
        try:
            await probes.run(_require_ready, services)
        except IssuerError as error:
            # The log says why: a probe may be anybody, and the reason may name the database.
            log.warning("not_ready", cause=str(error))
            return _answer(503, {"status": "not ready"})
        return _answer(200, {"status": "ready"})

    base = services.settings.base_path
    return [
        Route(f"{base}/healthz", healthz, methods=["GET"]),
        Route(f"{base}/readyz", readyz, methods=["GET"]),
    ]


def health_paths(settings: Settings) -> dict[str, Any]:
    """The probes as OpenAPI describes them."""
    ok = {"200": {"description": "It is"}}
    not_ready = {"503": {"description": "It is not; the log says why"}}
    return {
        f"{settings.base_path}/healthz": {
            "get": {"tags": ["probes"], "summary": "Is it alive?", "responses": ok}
        },
        f"{settings.base_path}/readyz": {
            "get": {
                "tags": ["probes"],
                "summary": "Is it ready for work?",
                "responses": {**ok, **not_ready},
            }
        },
    }


def _require_ready(services: Services) -> None:
    services.changes.require_current()
    require_current_schema(services.database)
    for alg in services.settings.signing_algorithms:
        services.keyring.active(alg)


def _answer(status: int, body: dict[str, str]) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
