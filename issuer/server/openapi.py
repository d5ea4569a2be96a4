"""The application of FastAPI, and its OpenAPI document."""

from functools import cache
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from issuer import __version__
from issuer.admin.manifest import manifest_schemas
from issuer.admin.problems import problem_schemas

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


def new_api(base: str) -> FastAPI:
    return FastAPI(
        title="AgentOS issuer",
        summary="Access tokens for AgentOS deployments",
        description=_INTRODUCTION,
        version=__version__,
        openapi_url=f"{base}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # Otherwise it looks for OpenTelemetry in the environment at each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )


def describe(app: FastAPI, paths: dict[str, Any], schemes: dict[str, Any]) -> None:
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


def render_openapi_once(app: FastAPI) -> None:
    """Cache the body of `/openapi.json`: FastAPI renders it at each request, which takes long."""

    @cache
    def document() -> bytes:
        return bytes(JSONResponse(app.openapi()).body)

    async def openapi(_: Request) -> Response:
        return Response(document(), media_type="application/json")

    assert app.openapi_url is not None
    app.router.routes.insert(0, Route(app.openapi_url, openapi))  # before FastAPI's own
