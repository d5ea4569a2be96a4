"""The admin API, the pages and the OpenAPI document: what people and their programs use.

Imported with the first request for one of them: FastAPI, the operations, the screens and their
models are a quarter of the memory of a server that has them, and a third of its start.
"""

from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from issuer import __version__, web
from issuer.admin.api import admin_routes, admin_templates
from issuer.admin.limits import admin_layers
from issuer.admin.manifest import manifest_schemas
from issuer.admin.parts import AdminParts
from issuer.admin.problems import problem_schemas
from issuer.admin.refusals import install_problem_handlers, unforeseen
from issuer.admin.scim.client_secrets import ClientSecretChecks
from issuer.admin.scim.description import PREFIX, scim_paths
from issuer.admin.scim.routes import no_scim_path, scim_failed, scim_routes
from issuer.background.turns import Turns
from issuer.http import middleware
from issuer.oauth.openapi import protocol_paths, security_schemes
from issuer.rate_limits.request_limits import ClientQueues, RefusalPace
from issuer.server import probes
from issuer.server.own_routes import routes_of
from issuer.server.parts import LINTS_WAITING, ServerParts
from issuer.telemetry.metrics import LINTS

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


def build_admin_and_pages(
    parts: ServerParts, direct: Sequence[Route], grant_types: Iterable[str], *, is_traced: bool
) -> FastAPI:
    """The application for everything but the routes `direct`, which it describes as well."""
    pools, passwords, pages = parts.pools, parts.passwords, parts.pages
    settings, clock, administration = parts.web.settings, parts.web.clock, parts.web.administration
    base = settings.base_path
    administration.explainer.own_api.routes = partial(routes_of, settings)
    app = _new_api(base)
    if settings.metrics_token is not None:
        _describe(app, probes.metrics_path(settings), probes.metrics_security_scheme())
    paths = {**protocol_paths(settings, grant_types), **probes.health_paths(settings)}
    _describe(app, {**paths, **scim_paths(base)}, security_schemes())
    app.router.routes.extend(direct)
    # Before the many of the admin API, all of which a request would be compared with.
    app.router.routes.extend(scim_routes(base))
    app.router.routes.extend(
        web.web_routes(
            parts.web, pages, pools.people, passwords, pools.plans, parts.metrics, parts.limits
        )
    )
    if settings.api_docs:
        app.router.routes.extend(web.api_docs_routes(pages, base))
    queues = ClientQueues(clock, LINTS_WAITING, limit=LINTS, metrics=parts.metrics)
    both = (administration, parts.running)
    # The routes are those of all applications in a process; the parts are those of this one.
    secrets = ClientSecretChecks(
        parts.web.client_authentication,
        parts.web.last_use,
        parts.limits.failures,
        parts.web.audit_writer,
        parts.web.refusals,
        pools.queries,
        clock,
        settings.url,
    )
    turns = Turns(lambda: parts.web.audit_writer.callers > 0)
    app.state.admin = AdminParts(*both, pools.plans, passwords, pools.lints, queues, secrets, turns)
    app.router.routes.extend(admin_routes(base))
    _render_openapi_once(app)
    page = web.not_found_page(pages, base)
    install_problem_handlers(app, lambda request: no_scim_path(request) or page(request))
    if parts.observers or is_traced:
        templates = {**middleware.templates_of(app, base), **admin_templates()}
        app.add_middleware(middleware.note_templates, templates=templates)
    layer = partial(admin_layers, pace=RefusalPace(clock))
    for prefix in (f"{base}/admin/", f"{base}{PREFIX}/"):
        app.add_middleware(middleware.layer_below, prefix=prefix, layer=layer)
    readable = partial(web.ReadablePaths, pages=pages, base=base)
    app.add_middleware(middleware.layer_below, prefix=f"{base}/console/", layer=readable)
    app.add_middleware(middleware.note_caller)
    context = partial(middleware.RequestContext, observers=parts.observers, headers=parts.headers)
    app.add_middleware(context, unforeseen=lambda scope: scim_failed(scope) or unforeseen(scope))
    return app


def _new_api(base: str) -> FastAPI:
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
    """Cache the body of `/openapi.json`: FastAPI renders it at each request, which takes long."""

    @cache
    def document() -> bytes:
        return bytes(JSONResponse(app.openapi()).body)

    async def openapi(_: Request) -> Response:
        return Response(document(), media_type="application/json")

    assert app.openapi_url is not None
    app.router.routes.insert(0, Route(app.openapi_url, openapi))  # before FastAPI's own
