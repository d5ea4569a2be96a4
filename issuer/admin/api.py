"""All operations of the door: one file a resource, one line each in `RESOURCES`."""

from fastapi import APIRouter

from issuer.admin import (
    audiences,
    audit_events,
    clients,
    explain,
    keys,
    manifest,
    roles,
    rotation,
    tokens,
    users,
)
from issuer.admin.assignments import client_roles, user_roles
from issuer.admin.urls import PREFIX

RESOURCES = [
    audiences.router,
    roles.router,
    clients.router,
    client_roles,
    rotation.router,
    users.router,
    user_roles,
    tokens.router,
    keys.router,
    audit_events.router,
    explain.router,
    manifest.router,
]


def admin_router() -> APIRouter:
    """`/admin/v1`, to be mounted under the path of the issuer."""
    router = APIRouter(prefix=PREFIX)
    for resource in RESOURCES:
        router.include_router(resource)
    return router
