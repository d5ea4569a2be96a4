"""The roles of clients, users and groups: `/users/{id}/roles`, the same operations for all."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    KeptCredentials,
    Limit,
    Page,
    etag,
    page_of,
    require_match,
)
from issuer.admin.routes import admin_router
from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.groups import GROUP
from issuer.resources import ResourceType
from issuer.roles import Assignment, HeldRole
from issuer.users import USER

AtAudience = Annotated[str | None, Query(description="The audience of the assignment.")]
Everywhere = Annotated[bool, Query(description="At every audience, instead of `audience`.")]


def assignments_router(principal: ResourceType[Any, Any]) -> APIRouter:
    """The operations for clients, for users or for groups."""
    router = admin_router(f"/{principal.plural}/{{{principal.key}}}/roles", principal.plural)
    PrincipalId = Annotated[str, Path(alias=principal.key)]  # noqa: N806 - a type

    @router.get("", name=f"list_{principal.kind}_roles")
    def list_assignments(
        caller: Caller,
        principal_id: PrincipalId,
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[HeldRole]:
        """List the roles, and at which audiences.

        Those of a user include what the groups of the user give, and trusted issuers for the groups
        there: `via` names the group. It is null for what is assigned to the user itself.
        """
        with caller.work(principal.read) as work:
            work.collection(principal).get(principal_id)
            held = work.assignments.held_by(principal_id)
        return page_of("roles", held, etag, cursor, limit)

    @router.put(
        "/{role}",
        name=f"assign_{principal.kind}_role",
        responses=documented("credentials-not-kept", "not-allowed"),
    )
    def assign(
        caller: Caller,
        principal_id: PrincipalId,
        role: str,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        if_match: IfMatch = None,
        kept: KeptCredentials | None = None,
    ) -> None:
        """Assign a role, at one audience or everywhere. Idempotent. The body may be left out.

        A user who gets rights at the issuer, also as a member of a group, is signed out everywhere,
        and loses the password and the factors that somebody without `issuer:admin` gave: the audit
        event `user.access_ended` names them. Then the user needs an invitation.
        """
        assignment = Assignment.of(role, audience, everywhere=everywhere)
        with caller.work(principal.write) as work:
            work.new_privileges.keep(kept.keep_credentials if kept else [])
            work.collection(principal).get(principal_id)
            if if_match is not None:
                _require_assigned(work, principal_id, assignment)
                require_match(if_match, assignment)
            work.assignments.assign(principal_id, assignment)

    @router.delete(
        "/{role}",
        name=f"unassign_{principal.kind}_role",
        responses=documented("not-allowed"),
    )
    def unassign(
        caller: Caller,
        principal_id: PrincipalId,
        role: str,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        if_match: IfMatch = None,
    ) -> None:
        """Unassign a role, exactly where it was assigned.

        The access tokens issued so far to the members of a group are revoked.
        """
        assignment = Assignment.of(role, audience, everywhere=everywhere)
        with caller.work(principal.write) as work:
            work.collection(principal).get(principal_id)
            _require_assigned(work, principal_id, assignment)
            require_match(if_match, assignment)
            work.assignments.unassign(principal_id, assignment)

    return router


def _require_assigned(work: UnitOfWork, principal_id: str, assignment: Assignment) -> None:
    if assignment not in work.assignments.of(principal_id):
        raise NotFound("assignment of the role", assignment.role)


client_roles = assignments_router(CLIENT)
user_roles = assignments_router(USER)
group_roles = assignments_router(GROUP)
