"""`/audiences`: the AgentOS deployments that tokens are issued for."""

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
from issuer.audiences import Audience, AudienceFields

router = admin_router("/audiences", "audiences")

READ, WRITE = "issuer:audiences:read", "issuer:audiences:write"


@router.get("", responses=documented("invalid-cursor"))
def list_audiences(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[Audience]:
    """List audiences in order of id."""
    with caller.work(READ) as work:
        return page("audiences", work.audiences.page, lambda each: each.id, cursor, limit)


@router.post(
    "",
    status_code=201,
    responses=documented("already-exists", body=True),
)
def create_audience(caller: Caller, fields: AudienceFields, response: Response) -> Audience:
    """Create an audience. Its id is the AgentOS `id`, and becomes `aud`."""
    with caller.work(WRITE) as work:
        audience = work.audiences.create(fields)
    response.headers["Location"] = location(caller, "audiences", audience.id)
    return tagged(response, audience)


# An id may contain slashes, since it may be a URL.
@router.get("/{id:path}", responses=documented("not-found"))
def read_audience(caller: Caller, id: str, response: Response) -> Audience:
    """Read an audience."""
    with caller.work(READ) as work:
        return tagged(response, work.audiences.get(id))


@router.patch(
    "/{id:path}",
    responses=documented("not-found", "not-allowed", "precondition-failed", body=True),
)
def patch_audience(
    caller: Caller,
    id: str,
    patch: MergePatch,
    response: Response,
    if_match: IfMatch = None,
) -> Audience:
    """Change an audience."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.audiences.get(id))
        audience = work.audiences.update(id, patch)
    return tagged(response, audience)


@router.delete(
    "/{id:path}",
    status_code=204,
    responses=documented("not-found", "in-use", "not-allowed", "precondition-failed"),
)
def delete_audience(
    caller: Caller,
    id: str,
    cascade: Annotated[
        bool, Query(description="Remove it from clients, and unassign roles there.")
    ] = False,
    if_match: IfMatch = None,
) -> None:
    """Delete an audience that is not in use, and revoke all tokens for it."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.audiences.get(id))
        work.audiences.delete(id, cascade=cascade)
