"""`/clients/{id}/roles` and `/users/{id}/roles`: one set of operations for both."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query

from issuer.admin import clients, users
from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, IfMatch, Limit, Page, page_of, require_match
from issuer.admin.routes import admin_router
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.roles import Assignment

AtAudience = Annotated[str | None, Query(description="The audience at which it counts.")]
Everywhere = Annotated[bool, Query(description="It counts at every audience: in its place.")]


def assignments_router(
    prefix: str, tag: str, read: str, write: str, require: Callable[[UnitOfWork, str], object]
) -> APIRouter:
    """The operations for principals under `prefix`; `require` raises `NotFound` for no one."""
    router = admin_router(prefix, tag)
    kind = tag.removesuffix("s")

    @router.get(
        "/{id}/roles",
        name=f"list_{kind}_roles",
        responses=documented("not-found", "invalid-cursor"),
    )
    def list_assignments(
        caller: Caller,
        id: str,  # noqa: A002 - the path's word
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[Assignment]:
        """What roles the principal has, and where."""
        with caller.work(read) as work:
            require(work, id)
            assignments = work.assignments.of(id)
        return page_of("roles", assignments, _key, cursor, limit)

    @router.put(
        "/{id}/roles/{role}",
        name=f"assign_{kind}_role",
        status_code=204,
        responses=documented("not-found", "not-allowed", "precondition-failed"),
    )
    def assign(
        caller: Caller,
        id: str,  # noqa: A002
        role: str,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        if_match: IfMatch = None,
    ) -> None:
        """Assign a role, at one audience or everywhere. Idempotent."""
        assignment = Assignment.of(role, audience, everywhere=everywhere)
        with caller.work(write) as work:
            require(work, id)
            if if_match is not None:
                _require_given(work, id, assignment)
                require_match(if_match, assignment)
            work.assignments.assign(id, assignment)

    @router.delete(
        "/{id}/roles/{role}",
        name=f"unassign_{kind}_role",
        status_code=204,
        responses=documented("not-found", "not-allowed", "precondition-failed"),
    )
    def unassign(
        caller: Caller,
        id: str,  # noqa: A002
        role: str,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        if_match: IfMatch = None,
    ) -> None:
        """Unassign a role, exactly where it was assigned."""
        assignment = Assignment.of(role, audience, everywhere=everywhere)
        with caller.work(write) as work:
            require(work, id)
            _require_given(work, id, assignment)
            require_match(if_match, assignment)
            work.assignments.unassign(id, assignment)

    return router


def _key(assignment: Assignment) -> str:
    return f"{assignment.role} {assignment.audience or ''}"


def _require_given(work: UnitOfWork, principal_id: str, assignment: Assignment) -> None:
    if assignment not in work.assignments.of(principal_id):
        raise NotFound("assignment of the role", assignment.role)


client_roles = assignments_router(
    "/clients", "clients", clients.READ, clients.WRITE, lambda work, name: work.clients.get(name)
)
user_roles = assignments_router(
    "/users", "users", users.READ, users.WRITE, lambda work, name: work.users.get(name)
)
