"""The roles of clients, users and groups: `/users/{id}/roles`, the same operations for all."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import Field

from issuer.admin.access import Caller, Changer
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    Done,
    IfMatch,
    Kept,
    Limit,
    Page,
    done,
    etag,
    is_of_dry_run,
    page_of,
    require_match,
    require_unchanged,
)
from issuer.admin.routes import admin_router
from issuer.clients.operations import CLIENT_ROLES
from issuer.fields.fields import Reason
from issuer.fields.times import End
from issuer.groups.operations import GROUP_ROLES
from issuer.operations import About
from issuer.resources import ResourceType
from issuer.roles import Assignment, HeldRole
from issuer.roles.operations import RolesOf
from issuer.users.operations import USER_ROLES

AtAudience = Annotated[str | None, Query(description="The audience of the assignment.")]
WhyUnassigned = Annotated[Reason, Query(description="For the audit log.")]
Everywhere = Annotated[bool, Query(description="At every audience, instead of `audience`.")]


class AssignmentDetails(Kept):
    """What else to say where a role is assigned. The reason is kept in the audit log."""

    expires_at: Annotated[
        End | None,
        Field(description="From then on the role gives nothing. Null if it lasts."),
    ] = None
    reason: Reason = ""


_NOTHING_ELSE = AssignmentDetails()


def assignments_router(roles: RolesOf) -> APIRouter:
    """The operations for clients, for users or for groups."""
    principal = roles.owner
    router = admin_router(f"/{principal.plural}/{{{principal.key}}}/roles", principal.plural)
    PrincipalId = Annotated[str, Path(alias=principal.key)]  # noqa: N806 - a type

    _add_list(router, principal)

    @router.put(
        "/{role}",
        name=f"assign_{principal.kind}_role",
        responses=documented("credentials-not-kept", "members-not-kept", "not-allowed"),
    )
    def assign(
        caller: Caller,
        principal_id: PrincipalId,
        role: str,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        if_match: IfMatch = None,
        details: AssignmentDetails | None = None,
    ) -> None:
        """Assign a role, at one audience or everywhere. Idempotent. The body may be left out.

        From `expires_at` on the role gives nothing, and tokens with what it gives expire by then.
        Assigning it again changes the end: without `expires_at`, the role lasts. If it ends earlier
        than before, the access tokens issued so far are revoked; new ones expire by the end.

        A user who gets rights at the issuer, also as a member of a group, is signed out everywhere,
        and loses the password and the factors that somebody without `issuer:admin` gave: the audit
        event `user.access_ended` names them. Then the user needs an invitation.
        """
        details = details or _NOTHING_ELSE
        assignment = Assignment.of(
            role, audience, everywhere=everywhere, expires_at=details.expires_at
        )
        with caller.work(principal.write) as work:
            work.new_privileges.keep(details.keep_credentials, details.keep_members)
            work.collection(principal).get(principal_id)
            if if_match is not None:
                require_match(if_match, work.assignments.find(principal_id, assignment))
            work.assignments.assign(principal_id, assignment, details.reason)

    @router.delete(
        "/{role}",
        name=f"unassign_{principal.kind}_role",
        responses=documented("not-allowed"),
    )
    def unassign(
        caller: Changer,
        principal_id: PrincipalId,
        role: str,
        audience: AtAudience = None,
        everywhere: Everywhere = False,
        reason: WhyUnassigned = "",
        if_match: IfMatch = None,
    ) -> Done:
        """Unassign a role, exactly where it was assigned.

        The access tokens issued so far to the members of a group are revoked.
        """
        assignment = Assignment.of(role, audience, everywhere=everywhere)
        with caller.work(principal.write) as work:
            owner = work.collection(principal).get(principal_id)
            # RFC 9110 §13.2.1: where there is nothing to delete, the tag does not count.
            assigned = work.assignments.find(principal_id, assignment)
            if assigned is not None:
                require_unchanged(if_match, assigned)
            question = None
            if caller.dry_run or is_of_dry_run(if_match):
                about = About(principal_id, principal.name_of(owner), role)
                question = roles.question_to_unassign(work, about, assignment)
            work.assignments.unassign(principal_id, assignment, reason)
            return done(caller, if_match, assigned, question)

    return router


def _add_list(router: APIRouter, principal: ResourceType[Any, Any]) -> None:
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
            held = work.assignments.roles_of(principal_id)
        return page_of("roles", held, etag, cursor, limit)


client_roles = assignments_router(CLIENT_ROLES)
user_roles = assignments_router(USER_ROLES)
group_roles = assignments_router(GROUP_ROLES)
