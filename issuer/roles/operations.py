"""Assigning roles to clients, users and groups, and unassigning them: what is asked, said, done."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Annotated, Any, Protocol, Self

from pydantic import Field

from issuer.audiences import Audiences
from issuer.authority import Authority
from issuer.directory import Rights
from issuer.errors import InvalidField, NotFound
from issuer.fields.fields import Fields, Reason
from issuer.fields.times import End, until, utc
from issuer.operations import About, Operation, OperationQuestion, PartOf
from issuer.resources import Command, ResourceType
from issuer.resources.resource_type import Control, Member
from issuer.roles.assignments import (
    Assignment,
    Assignments,
    HeldRole,
    RolePlace,
    require_end_to_come,
)
from issuer.roles.roles import ROLE, Roles
from issuer.scopes import counting_at, covers

_NAMED = 10  # scopes
_ASSIGNING = """\
It is assigned at one audience or everywhere. Idempotent.

From its end on the role gives nothing, and tokens with what it gives expire by then. Assigning it
again changes the end: without one, the role lasts. If it ends earlier than before, the access
tokens issued so far are revoked; new ones expire by the end.

A user who gets rights at the issuer, also as a member of a group, is signed out everywhere, and
loses the password and the factors that somebody without `issuer:admin` gave: the audit event
`user.access_ended` names them. Then the user needs an invitation."""
_KEPT = " Tokens issued before keep what they have until they expire or are revoked."


class RoleWork(Protocol):
    """What these use of a unit of work."""

    authority: Authority
    clock: Any

    @property
    def assignments(self) -> Assignments: ...
    @property
    def audiences(self) -> Audiences: ...
    @property
    def roles(self) -> Roles: ...

    def collection(self, resource_type: ResourceType[Any, Any]) -> Any: ...


@dataclass(frozen=True)
class EffectOnMembers:
    """What members of a group gain and lose: sentences, and one for each of some members."""

    sentences: Sequence[str]
    points: tuple[str, ...]


class AssignmentName(RolePlace):
    """What names an assignment: the role, and one audience or everywhere."""

    role: Annotated[str, Member(label="Role", help="The name of the role.", names="role")]
    audience: Annotated[
        str | None,
        Member(
            label="At the audience",
            help="At this audience only.",
            metavar="ID",
            names="audience",
        ),
        Field(description="The audience of the assignment."),
    ] = None
    everywhere: Annotated[
        bool,
        Member(
            label="Everywhere instead: at every audience, also future ones",
            help="At every audience.",
            control=Control.SWITCH,
            option="--everywhere",
        ),
        Field(description="At every audience, instead of `audience`."),
    ] = False

    @classmethod
    def read(cls, members: Mapping[str, object]) -> Self:
        """Exactly one of both, so that no role applies everywhere by mistake."""
        name = super().read(members)
        if name.everywhere == (name.audience is not None):
            raise InvalidField("audience", "name either one audience or everywhere")
        return name


_REASON = Member(label="Reason", help="Why, for the audit log.", hint="For the audit log")


class AssignmentDetails(Fields):
    """What else to say where a role is assigned. The reason is kept in the audit log."""

    expires_at: Annotated[
        End | None,
        Member(
            label="Until",
            help="When it ends, such as 2027-06-30 (UTC), or how long it lasts, such as 8h."
            " Default: never, also if it had an end.",
            hint="Such as 8h, or 2027-03-01 (UTC); it lasts if left out",
            control=Control.END,
            option="--expires-at",
            alias="--for",
            metavar="TIME",
        ),
        Field(description="From then on the role gives nothing. Null if it lasts."),
    ] = None
    reason: Annotated[Reason, _REASON] = ""

    @property
    def until(self) -> str:
        return until(self.expires_at)


class UnassignmentDetails(Fields):
    reason: Annotated[Reason, _REASON, Field(description="For the audit log.")] = ""


@dataclass(frozen=True)
class RolesOf:
    """The roles of clients, of users or of groups: the part, and what is done to it.

    `on_members`: what its members gain and lose with a role that a group gains, or else loses.
    """

    owner: ResourceType[Any, Any]
    on_members: Callable[[Any, str, Sequence[HeldRole], Sequence[HeldRole]], EffectOnMembers] = (
        lambda *_: EffectOnMembers([], ())
    )
    of_groups: str = ""
    """What to know about those that groups give."""

    @cached_property
    def part(self) -> PartOf[RoleWork, HeldRole]:
        kind = self.owner.kind
        return PartOf(
            owner=self.owner,
            name="role",
            plural="roles",
            model=HeldRole,
            about=f"Assign roles to a {kind}, at one audience or everywhere.",
            lists=f"List the roles of a {kind}, each with its audience.{self.of_groups}",
            listed=f"list_{kind}_roles",
            items=lambda work, owner_id: work.assignments.roles_of(owner_id),
            item=self._find,
            named=AssignmentName,
            columns=("role", "audience", "expires_at", *(["via"] if self.of_groups else [])),
            in_words=lambda held: {"audience": held.where, "via": str(held.via or "")},
            example="web-runner",
        )

    @cached_property
    def assign(self) -> Operation[RoleWork]:
        return Operation(
            name=f"assign_{self.owner.kind}_role",
            on=self.part,
            verb="assign",
            past="assigned",
            summary=f"Assign a role to a {self.owner.kind}, or change when an assignment ends.",
            more=_ASSIGNING,
            examples=("--audience my-os", "--everywhere --for 8h"),
            fields=AssignmentDetails,
            question=self.question_to_assign,
            run=self._assign,
            done="The role {role} is assigned to {name}, {item.where}{fields.until}.",
            adds=True,
            gives_rights=True,
            is_refusable=True,
        )

    @cached_property
    def unassign(self) -> Operation[RoleWork]:
        return Operation(
            name=f"unassign_{self.owner.kind}_role",
            on=self.part,
            verb="unassign",
            past="unassigned",
            summary=f"Unassign a role from a {self.owner.kind}, exactly where it was assigned.",
            more="The access tokens issued so far to the members of a group are revoked.",
            examples=("--audience my-os", "--everywhere"),
            fields=UnassignmentDetails,
            question=self.question_to_unassign,
            run=self._unassign,
            done="The role {role} is unassigned from {name}, {item.where}.",
            is_refusable=True,
            asks_scripts=True,
        )

    @property
    def operations(self) -> tuple[Operation[RoleWork], ...]:
        return self.assign, self.unassign

    def _find(self, work: RoleWork, owner_id: str, name: Any) -> HeldRole:
        work.collection(self.owner).get(owner_id)
        if (assigned := work.assignments.find(owner_id, name)) is None:
            raise NotFound("assignment of the role", name.role)
        return HeldRole(**dict(assigned))

    def _assign(
        self, work: RoleWork, owner_id: str, name: RolePlace, details: AssignmentDetails
    ) -> None:
        work.collection(self.owner).get(owner_id)
        assignment = _assignment(name, details.expires_at)
        work.assignments.assign(owner_id, assignment, details.reason)

    def _unassign(
        self, work: RoleWork, owner_id: str, name: RolePlace, details: UnassignmentDetails
    ) -> None:
        work.collection(self.owner).get(owner_id)
        work.assignments.unassign(owner_id, name, details.reason)

    def question_to_assign(self, work: RoleWork, about: About) -> OperationQuestion:
        """The question before the role is assigned, or ends at another time than before.

        `NotFound` without role or audience; `InvalidField` for an end in the past; `Forbidden` if
        the caller may not assign the role.
        """
        assignment = _assignment(about.key, about.fields.expires_at)
        scopes, name = _authorized_scopes(work, assignment), about.name
        require_end_to_come(assignment.expires_at, work.clock())
        gained, end = [HeldRole(**dict(assignment))], until(assignment.expires_at)
        if before := work.assignments.find(about.owner_id, assignment):
            what = f"Change when {assignment.role} of {name} ends, {assignment.where}?"
            why = f"It {_end(before)} now. After the change it {_end(assignment)}."
        else:
            what = f"Assign {assignment.role} to {name}, {assignment.where}{end}?"
            new = self._difference(work, about, assignment, scopes, is_assigned=False)
            why = f"{name} gains {new or 'no scope that it does not hold already'}."
            why += " It applies to the next token, within a second."
        effect = self.on_members(work, about.owner_id, gained, ())
        return OperationQuestion(
            what, " ".join([why, *effect.sentences]), "Assign", points=effect.points
        )

    def question_to_unassign(self, work: RoleWork, about: About) -> OperationQuestion:
        """The question before the role is unassigned.

        `NotFound` without such an assignment; `Forbidden` if the caller may not unassign the role.
        """
        before = self._find(work, about.owner_id, about.key)
        scopes, name = _authorized_scopes(work, before), about.name
        gone = self._difference(work, about, before, scopes, is_assigned=True)
        effect = self.on_members(work, about.owner_id, (), [before])
        why = f"{name} loses {gone or 'no scope: it holds them otherwise as well'}."
        return OperationQuestion(
            f"Unassign {before.role} from {name}, {before.where}?",
            " ".join([why, *effect.sentences]) if effect.sentences else why + _KEPT,
            "Unassign",
            points=effect.points,
        )

    def _difference(
        self,
        work: RoleWork,
        about: About,
        assignment: RolePlace,
        scopes: Iterable[str],
        *,
        is_assigned: bool,
    ) -> str:
        """The `scopes` that are not held otherwise, in words; empty if there is none."""
        if not work.authority.holds(ROLE.read):
            return "the scopes of the role, unless it holds them otherwise"
        principal = work.collection(self.owner).get(about.owner_id)
        rights = replace(
            work.assignments.rights_of(about.owner_id),
            direct=frozenset(getattr(principal, "scopes", ())),
        )
        others = _without(rights, assignment) if is_assigned else rights
        own = work.authority.own_audience
        places = [assignment.audience] if assignment.audience else [None, own]
        difference = sorted(
            scope
            for place in places
            for held in [others.scopes_at(place, is_own=place == own)]
            for scope in counting_at(scopes, own_audience=place == own)
            if not covers(held, scope)
        )
        more = len(difference) - _NAMED
        named = ", ".join(difference[:_NAMED])
        return f"{named} and {more:,} more scopes" if more > 0 else named


def assign_command(
    owner: ResourceType[Any, Any], owner_id: str, assignment: Assignment, reason: str = ""
) -> Command:
    """The command that assigns a role to a client, user or group."""
    name = AssignmentName(
        role=assignment.role, audience=assignment.audience, everywhere=assignment.audience is None
    )
    details = AssignmentDetails(expires_at=assignment.expires_at, reason=reason)
    return RolesOf(owner).assign.command(owner_id, name, fields=details)


def _assignment(name: Any, end: datetime | None) -> Assignment:
    return Assignment(role=name.role, audience=name.audience, expires_at=end)


def _authorized_scopes(work: RoleWork, assignment: RolePlace) -> list[str]:
    scopes = work.roles.get(assignment.role).scopes
    if assignment.audience is not None:
        work.audiences.get(assignment.audience)
    work.authority.authorize_change(scopes=scopes)
    return scopes


def _end(assignment: Assignment) -> str:
    end = assignment.expires_at
    return "lasts" if end is None else f"ends at {utc(end)}"


def _without(rights: Rights, assignment: RolePlace) -> Rights:
    """The rights that stay when the role is unassigned."""
    left = (
        grant
        for grant in rights.roles
        if grant.through or (grant.role, grant.audience_id) != assignment.place
    )
    return replace(rights, roles=tuple(left))
