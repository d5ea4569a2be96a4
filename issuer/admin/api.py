"""All operations of the admin API: one module for each resource, one line in `RESOURCES`."""

from collections.abc import Iterator
from functools import cache

from fastapi import APIRouter
from starlette.routing import BaseRoute

from issuer.admin import (
    audit_events,
    clients,
    explain,
    groups,
    inspection,
    keys,
    manifest,
    resources,
    review,
    status,
    tokens,
    usage,
    users,
)
from issuer.admin.routes import AdminRoute
from issuer.explain.own_api import OwnRoute
from issuer.vocabulary import ADMIN_API

RESOURCES = [
    inspection.router,
    resources.audiences,
    resources.roles,
    clients.router,
    clients.operations,
    resources.trusted_issuers,
    resources.of_trusted_issuers,
    users.router,
    users.operations,
    groups.router,
    groups.operations,
    tokens.router,
    keys.router,
    keys.verifiers_router,
    audit_events.router,
    status.router,
    usage.router,
    review.router,
    explain.router,
    manifest.router,
]


def _admin_routes() -> Iterator[AdminRoute]:
    for route in (route for resource in RESOURCES for route in resource.routes):
        assert isinstance(route, AdminRoute)
        yield route


def admin_templates() -> dict[object, str]:
    """The template of the path of each operation, without the path of the issuer, by endpoint."""
    return {route.endpoint: ADMIN_API + route.path_format for route in _admin_routes()}


def own_routes() -> Iterator[OwnRoute]:
    """Each operation with its scopes, once for each alternative; paths below that of the issuer."""
    for route in _admin_routes():
        methods = frozenset(route.methods or ())
        methods |= {"HEAD"} if "GET" in methods else set()
        for needs in route.required.alternatives:
            yield OwnRoute(methods, ADMIN_API + route.path, needs, route.required.note)


@cache
def admin_routes(base: str) -> tuple[BaseRoute, ...]:
    """`/admin/v1` below `base`. All applications share it: it has no state and is slow to build."""
    api_router = APIRouter(prefix=ADMIN_API)
    for resource in RESOURCES:
        api_router.include_router(resource)
    root = APIRouter()
    root.include_router(api_router, prefix=base)
    return tuple(root.routes)
