"""`/metrics`, for callers with the token of ISSUER_METRICS_TOKEN."""

from collections.abc import Callable
from hmac import compare_digest
from typing import Any

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from issuer.http.requests import bearer_token
from issuer.settings import Settings

_TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
_SCHEME = "metrics_token"
_NEVER_STORED = {"Cache-Control": "no-store"}


def metrics_route(settings: Settings, token: SecretStr, exposition: Callable[[], bytes]) -> Route:
    """The route of a server with metrics."""

    async def metrics(request: Request) -> Response:
        if not _is_authenticated(request, token.get_secret_value()):
            headers = {**_NEVER_STORED, "WWW-Authenticate": "Bearer"}
            return PlainTextResponse("This needs the metrics token.\n", 401, headers=headers)
        return Response(exposition(), media_type=_TEXT_FORMAT, headers=_NEVER_STORED)

    return Route(f"{settings.base_path}/metrics", metrics, methods=["GET"])


def metrics_path(settings: Settings) -> dict[str, Any]:
    """The route as OpenAPI describes it."""
    text = {"content": {"text/plain": {"schema": {"type": "string"}}}}
    return {
        f"{settings.base_path}/metrics": {
            "get": {
                "tags": ["probes"],
                "summary": "Metrics for Prometheus",
                "security": [{_SCHEME: []}],
                "responses": {
                    "200": {"description": "The text format 0.0.4", **text},
                    "401": {"description": "Without the metrics token", **text},
                },
            }
        }
    }


def metrics_security_scheme() -> dict[str, Any]:
    """How a scraper authenticates, for `components`."""
    return {_SCHEME: {"type": "http", "scheme": "bearer"}}


def _is_authenticated(request: Request, token: str) -> bool:
    sent = bearer_token(request.scope["headers"])
    return sent is not None and compare_digest(sent.encode(), token.encode())
