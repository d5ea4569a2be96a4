"""The admin API, the pages and the OpenAPI document: what people and their programs use.

Imported with the first request for one of them: FastAPI, the operations, the screens and their
models are a quarter of the memory of a server that has them, and a third of its start.
"""

from collections.abc import Iterable, Sequence
from functools import partial

from fastapi import FastAPI
from starlette.routing import Route

from issuer import web
from issuer.admin.api import admin_routes, admin_templates
from issuer.admin.limits import admin_layers
from issuer.admin.parts import AdminParts
from issuer.admin.refusals import install_problem_handlers, unforeseen
from issuer.admin.scim.client_secrets import ClientSecretChecks
from issuer.admin.scim.description import PREFIX, scim_paths
from issuer.admin.scim.routes import no_scim_path, scim_failed, scim_routes
from issuer.background.turns import Turns
from issuer.http.middleware import (
    RequestContext,
    layer_below,
    note_caller,
    note_templates,
    templates_of,
)
from issuer.oauth.openapi import protocol_paths, security_schemes
from issuer.rate_limits.client_queue import ClientQueues
from issuer.rate_limits.rate import RefusalPace
from issuer.server import probes
from issuer.server.openapi import describe, new_api, render_openapi_once
from issuer.server.own_routes import routes_of
from issuer.server.parts import LINTS_WAITING, ServerParts
from issuer.telemetry.metrics import LINTS


def build_admin_and_pages(
    parts: ServerParts, direct: Sequence[Route], grant_types: Iterable[str], *, is_traced: bool
) -> FastAPI:
    """The application for everything but the routes `direct`, which it describes as well."""
    pools, passwords, pages = parts.pools, parts.passwords, parts.pages
    settings, clock, administration = parts.web.settings, parts.web.clock, parts.web.administration
    base = settings.base_path
    administration.explainer.own_api.routes = partial(routes_of, settings)
    app = new_api(base)
    if settings.metrics_token is not None:
        describe(app, probes.metrics_path(settings), probes.metrics_security_scheme())
    paths = {**protocol_paths(settings, grant_types), **probes.health_paths(settings)}
    describe(app, {**paths, **scim_paths(base)}, security_schemes())
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
    common = (administration, parts.running)
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
    app.state.admin = AdminParts(
        *common, pools.plans, passwords, pools.lints, queues, secrets, turns
    )
    app.router.routes.extend(admin_routes(base))
    render_openapi_once(app)
    page = web.not_found_page(pages, base)
    install_problem_handlers(app, lambda request: no_scim_path(request) or page(request))
    if parts.observers or is_traced:
        templates = {**templates_of(app, base), **admin_templates()}
        app.add_middleware(note_templates, templates=templates)
    layer = partial(admin_layers, pace=RefusalPace(clock))
    for prefix in (f"{base}/admin/", f"{base}{PREFIX}/"):
        app.add_middleware(layer_below, prefix=prefix, layer=layer)
    readable = partial(web.ReadablePaths, pages=pages, base=base)
    app.add_middleware(layer_below, prefix=f"{base}/console/", layer=readable)
    app.add_middleware(note_caller)
    context = partial(RequestContext, observers=parts.observers, headers=parts.headers)
    app.add_middleware(context, unforeseen=lambda scope: scim_failed(scope) or unforeseen(scope))
    return app
