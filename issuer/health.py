"""Is it alive, and is it ready for work?"""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from issuer.database import require_current_schema
from issuer.errors import IssuerError
from issuer.services import Services
from issuer.workers import WorkerPool


def health_routes(services: Services, queries: WorkerPool) -> list[Route]:
    """`/healthz`: the process answers. `/readyz`: database, schema and keys are as they must be."""

    async def healthz(_: Request) -> Response:
        return _answer(200, {"status": "ok"})

    async def readyz(_: Request) -> Response:
        try:
            await queries.run(_require_ready, services)
        except IssuerError as error:
            return _answer(503, {"status": "not ready", "reason": str(error)})
        return _answer(200, {"status": "ready"})

    base = services.settings.base_path
    return [
        Route(f"{base}/healthz", healthz, methods=["GET"]),
        Route(f"{base}/readyz", readyz, methods=["GET"]),
    ]


def _require_ready(services: Services) -> None:
    services.changes.require_current()
    require_current_schema(services.database)
    for alg in services.settings.signing_algorithms:
        services.keyring.active(alg)


def _answer(status: int, body: dict[str, str]) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})
