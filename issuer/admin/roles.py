"""`/roles`: named sets of AgentOS scopes."""

from typing import Annotated

from fastapi import Query, Response

from issuer.admin.access import Caller
from issuer.admin.bodies import MergePatch
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    page,
    require_match,
    tagged,
)
from issuer.admin.routes import admin_router
from issuer.admin.urls import location
from issuer.admin.warnings import WithWarnings, warnings_about
from issuer.roles import Role, RoleFields

router = admin_router("/roles", "roles")


class RoleWithWarnings(Role, WithWarnings):
    """A role whose scopes have warnings."""


Changed = RoleWithWarnings | Role

READ, WRITE = "issuer:roles:read", "issuer:roles:write"


@router.get("", responses=documented("invalid-cursor"))
def list_roles(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[Role]:
    """List roles in order of name."""
    with caller.work(READ) as work:
        return page("roles", work.roles.page, lambda role: role.name, cursor, limit)


@router.post(
    "",
    status_code=201,
    responses=documented("already-exists", body=True),
)
def create_role(caller: Caller, fields: RoleFields, response: Response) -> Changed:
    """Create a role."""
    with caller.work(WRITE) as work:
        role = work.roles.create(fields)
    response.headers["Location"] = location(caller, "roles", role.name)
    return _with_warnings(tagged(response, role))


@router.get("/{name}", responses=documented("not-found"))
def read_role(caller: Caller, name: str, response: Response) -> Role:
    """Read a role."""
    with caller.work(READ) as work:
        return tagged(response, work.roles.get(name))


@router.patch(
    "/{name}",
    responses=documented("not-found", "not-allowed", "precondition-failed", body=True),
)
def patch_role(
    caller: Caller, name: str, patch: MergePatch, response: Response, if_match: IfMatch = None
) -> Changed:
    """Change a role. New tokens have its new scopes."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.roles.get(name))
        role = work.roles.update(name, patch)
    return _with_warnings(tagged(response, role))


@router.delete(
    "/{name}",
    status_code=204,
    responses=documented("not-found", "in-use", "not-allowed", "precondition-failed"),
)
def delete_role(
    caller: Caller,
    name: str,
    cascade: Annotated[bool, Query(description="Unassign it everywhere.")] = False,
    if_match: IfMatch = None,
) -> None:
    """Delete a role that is not assigned."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.roles.get(name))
        work.roles.delete(name, cascade=cascade)


def _with_warnings(role: Role) -> Changed:
    warnings = warnings_about(role.scopes)
    return RoleWithWarnings.model_construct(**dict(role), warnings=warnings) if warnings else role
