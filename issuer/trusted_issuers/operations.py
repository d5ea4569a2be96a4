"""Roles for the groups of a trusted issuer where people sign in: assigned, and unassigned."""

from typing import Annotated, Any, Protocol

from issuer.errors import NotAllowed, NotFound
from issuer.operations import About, Operation, OperationQuestion, PartOf
from issuer.resources.resource_type import Member
from issuer.roles.operations import AssignmentName
from issuer.trusted_issuers.sign_in import GroupRole
from issuer.trusted_issuers.trusted_issuer import (
    TRUSTED_ISSUER,
    ProviderRegistration,
    TrustedIssuerResource,
)
from issuer.trusted_issuers.trusted_issuers import TrustedIssuers


class TrustedIssuerWork(Protocol):
    """What these use of a unit of work."""

    trusted_issuers: TrustedIssuers


class GroupRoleName(AssignmentName):
    """What names a role of a group: the role, one audience or everywhere, and the group."""

    group: Annotated[
        str,
        Member(
            label="Group",
            help="The group, as it stands in the claim of its tokens.",
            hint="As it stands in the claim, such as a name or an id",
        ),
    ]

    @property
    def role_of_group(self) -> GroupRole:
        return GroupRole.read({"group": self.group, "role": self.role, "audience": self.audience})


def _roles(issuer: TrustedIssuerResource) -> list[GroupRole]:
    if issuer.sign_in is None:
        raise NotAllowed(f"People do not sign in at the trusted issuer {issuer.id}.")
    return issuer.sign_in.roles


def _registration(work: TrustedIssuerWork, issuer_id: str, _: str = "") -> ProviderRegistration:
    return work.trusted_issuers.registration(issuer_id)


def _patch(roles: list[GroupRole]) -> dict[str, Any]:
    return {"sign_in": {"roles": [each.model_dump(mode="json") for each in roles]}}


def _with_role(issuer: TrustedIssuerResource, name: GroupRoleName) -> dict[str, Any]:
    others = [each for each in _roles(issuer) if each != name.role_of_group]
    return _patch([*others, name.role_of_group])


def _without_role(issuer: TrustedIssuerResource, name: GroupRoleName) -> dict[str, Any]:
    roles = _roles(issuer)
    if name.role_of_group not in roles:
        raise NotFound("role of the group", name.group)
    return _patch([each for each in roles if each != name.role_of_group])


def _assigning(_: TrustedIssuerWork, about: About) -> OperationQuestion:
    name: Any = about.key
    return OperationQuestion(
        f"Assign {name.role} to the group {name.group} of {about.name}, {name.where}?",
        "Everybody in that group there gets the role here at the next sign-in. Whoever runs"
        f" {about.name} decides who is in it.",
        "Assign",
    )


def _unassigning(_: TrustedIssuerWork, about: About) -> OperationQuestion:
    name: Any = about.key
    return OperationQuestion(
        f"Unassign {name.role} from the group {name.group} of {about.name}, {name.where}?",
        "People who have the role through this group alone lose it at once, and their access"
        " tokens are refused within seconds.",
        "Unassign",
    )


GROUP_ROLES = PartOf[TrustedIssuerWork, GroupRole](
    owner=TRUSTED_ISSUER,
    name="role",
    plural="roles",
    model=GroupRole,
    about="Assign roles to the groups of a trusted issuer, at one audience or everywhere.",
    lists="List the roles of the groups of a trusted issuer where people sign in.",
    items=lambda work, issuer_id: _roles(work.trusted_issuers.get(issuer_id)),
    named=GroupRoleName,
    member="sign_in",
    columns=("group", "role", "audience"),
    in_words=lambda each: {"audience": each.audience or "everywhere"},
    example="runner",
)
REGISTRATION = PartOf[TrustedIssuerWork, ProviderRegistration](
    owner=TRUSTED_ISSUER,
    name="registration",
    plural="registration",
    model=ProviderRegistration,
    about="What to enter at a trusted issuer where people sign in.",
    reads="Read what to enter at a trusted issuer where people sign in: where people return, and"
    " where it says that somebody signed out or left; and on which day it last did.",
    item=_registration,
    key="",
)
OPERATIONS: tuple[Operation[TrustedIssuerWork], ...] = (
    Operation(
        name="assign_role_of_group",
        on=GROUP_ROLES,
        verb="assign",
        past="assigned",
        summary="Assign a role to the people in a group of a trusted issuer.",
        more="Each gets it at the next sign-in there. Everywhere is every AgentOS: rights at this"
        " issuer itself need its own audience by name.",
        examples=("--group ops --audience my-os", "--group all --everywhere"),
        question=_assigning,
        patch=_with_role,
        done="The role {role} is assigned to the group {group} of {name}, {item.where}.",
        adds=True,
    ),
    Operation(
        name="unassign_role_of_group",
        on=GROUP_ROLES,
        verb="unassign",
        past="unassigned",
        summary="Unassign a role from a group of a trusted issuer, exactly where it was assigned.",
        more="The access tokens of people who lose it are revoked.",
        examples=("--group ops --everywhere",),
        question=_unassigning,
        patch=_without_role,
        done="The role {role} is unassigned from the group {group} of {name}, {item.where}.",
    ),
)
