"""Roles assigned to a client or a user: the section that shows them, and its forms."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.directory import Rights
from issuer.errors import InvalidField, NotFound
from issuer.resources import ResourceType
from issuer.roles import ROLE, Assignment
from issuer.scopes import covers
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.form_fields import some_audiences, some_roles
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command
from issuer.web.visit import Visit

# Not refused for rights that the principal has at the issuer: what the role gives decides.
ON_ROLES = ("assign", "unassign")
_SHOWN = 100
_NAMED = 10


@dataclass(frozen=True, slots=True)
class Principal:
    """The client or user that a page is about; `name` is what sentences call it."""

    type: ResourceType[Any, Any]
    key: str
    name: str
    rights: Rights


@dataclass(frozen=True, slots=True)
class AssignmentsSection:
    """What is assigned, and some roles and audiences to choose from; others can be typed.

    `more` assignments are not listed.
    """

    assigned: tuple[Assignment, ...]
    more: int
    roles: tuple[str, ...]
    audiences: tuple[str, ...]


def assignments_section(
    operator: Operator, work: UnitOfWork, key: str, audiences: tuple[str, ...] = ()
) -> AssignmentsSection:
    """The section about the principal `key`; without `audiences`, some are read."""
    audiences = audiences[:_SHOWN] or some_audiences(operator, work)
    assigned = tuple(work.assignments.of(key))
    more = max(0, len(assigned) - _SHOWN)
    roles = some_roles(operator, work)
    return AssignmentsSection(assigned[:_SHOWN], more, roles, audiences)


def change_assignment(
    endpoint: ConsoleEndpoint,
    operator: Operator,
    visit: Visit,
    principal: Principal,
    form: Mapping[str, str],
) -> Response:
    """Do what a form of the section asks for, `assign` or `unassign`: asks first.

    `InvalidField` for its fields `role` and `audience`.
    """
    operator.require(principal.type.write)
    assignment, do = _assignment(form), form["do"]
    if form.get("confirmed") != "yes":
        with operator.work(principal.type.read) as work:
            scopes = _scopes_of(work, assignment)
        return _question(endpoint, operator, visit, principal, assignment, scopes, do)
    with operator.work(principal.type.write) as work:
        if do == "assign":
            work.assignments.assign(principal.key, assignment)
        else:
            work.assignments.unassign(principal.key, assignment)
    done = "assigned to" if do == "assign" else "unassigned from"
    sentence = f"The role {assignment.role} is {done} {principal.name}, {assignment.where}."
    command = assignment_command(endpoint, principal.type, principal.key, assignment, do)
    return endpoint.finished(endpoint.path(visit), sentence, command, operator.warnings)


def _assignment(form: Mapping[str, str]) -> Assignment:
    if not (role := form.get("role", "").strip()):
        raise InvalidField("role", "Name the role.")
    audience, everywhere = form.get("audience", "").strip() or None, "everywhere" in form
    if (audience is None) != everywhere:
        raise InvalidField("audience", "Name one audience, or choose everywhere.")
    return Assignment.of(role, audience, everywhere=everywhere)


def _scopes_of(work: UnitOfWork, assignment: Assignment) -> list[str]:
    """Assignments of the role; `Forbidden` if the answer to the question could only be refused."""
    try:
        role = work.roles.get(assignment.role)
        if assignment.audience is not None:
            work.audiences.get(assignment.audience)
    except NotFound as error:
        raise InvalidField(error.kind, str(error)) from None
    work.authority.authorize_change(scopes=role.scopes)
    return role.scopes


def _question(
    endpoint: ConsoleEndpoint,
    operator: Operator,
    visit: Visit,
    principal: Principal,
    assignment: Assignment,
    scopes: list[str],
    do: str,
) -> Response:
    named = _difference(principal.rights, assignment, scopes, assigned=do == "unassign")
    if not operator.holds(ROLE.read):
        named = "the scopes of the role, unless it holds them otherwise"
    if do == "assign":
        what = f"Assign {assignment.role} to {principal.name}, {assignment.where}?"
        why = f"{principal.name} gains {named or 'no scope that it does not hold already'}."
        why += " It applies to the next token, within a second."
    else:
        what = f"Unassign {assignment.role} from {principal.name}, {assignment.where}?"
        why = f"{principal.name} loses {named or 'no scope: it holds them otherwise as well'}."
        why += " Tokens issued before keep what they have until they expire or are revoked."
    fields = {"do": do, "role": assignment.role}
    fields |= {"audience": assignment.audience} if assignment.audience else {"everywhere": "yes"}
    command = assignment_command(endpoint, principal.type, principal.key, assignment, do)
    return endpoint.ask(
        operator,
        visit,
        what,
        why,
        do.capitalize(),
        fields,
        commands=(command,),
        is_dangerous=do == "unassign",
    )


def _difference(
    rights: Rights, assignment: Assignment, scopes: list[str], *, assigned: bool
) -> str:
    """Those of `scopes` that are not held otherwise, in words; empty if there is none."""
    others = _held_besides(rights, assignment, assigned=assigned)
    difference = [scope for scope in sorted(scopes) if not covers(others, scope)]
    more = len(difference) - _NAMED
    return ", ".join(difference[:_NAMED]) + (f" and {more:,} more scopes" if more > 0 else "")


def _held_besides(rights: Rights, assignment: Assignment, *, assigned: bool) -> set[str]:
    """The scopes held where the assignment applies, without what it gives."""
    held = set(rights.direct)
    for grant in rights.roles:
        is_this = (grant.role, grant.audience_id) == (assignment.role, assignment.audience)
        if grant.audience_id in {None, assignment.audience} and not (assigned and is_this):
            held |= grant.scopes
    return held


def assignment_command(
    endpoint: ConsoleEndpoint,
    principal_type: ResourceType[Any, Any],
    key: str,
    assignment: Assignment,
    do: str,
) -> Command:
    """The command and the request that `assign` or `unassign` it."""
    where = assignment.audience
    option = ("--everywhere",) if where is None else ("--audience", where)
    return endpoint.commands.command(
        (principal_type.kind, "role", do, key, assignment.role, *option),
        "PUT" if do == "assign" else "DELETE",
        (principal_type.plural, key, "roles", assignment.role),
        query=urlencode({"everywhere": "true"} if where is None else {"audience": where}),
    )
