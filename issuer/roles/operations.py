"""Assigning roles to clients, users and groups, and unassigning them: what is asked, said, done."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from issuer.audiences import Audiences
from issuer.authority import Authority
from issuer.directory import Rights
from issuer.errors import NotFound
from issuer.fields.times import in_json, until, utc
from issuer.operations import About, OperationQuestion
from issuer.resources import Command, ResourceType
from issuer.roles.assignments import Assignment, Assignments, HeldRole
from issuer.roles.roles import ROLE, Roles
from issuer.scopes import counting_at, covers

_NAMED = 10  # scopes
_KEPT = " Tokens issued before keep what they have until they expire or are revoked."


class RoleWork(Protocol):
    """What these use of a unit of work."""

    authority: Authority

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


@dataclass(frozen=True)
class RolesOf:
    """The roles of clients, of users or of groups.

    They are at `/{owner}/{id}/roles`, and `issuer {owner} role` has their commands. `on_members`:
    what its members gain and lose with a role that a group gains, or else loses.
    """

    owner: ResourceType[Any, Any]
    on_members: Callable[[Any, str, Sequence[HeldRole], Sequence[HeldRole]], EffectOnMembers] = (
        lambda *_: EffectOnMembers([], ())
    )

    def list_command(self, owner_id: str) -> Command:
        words, path = ("role", "list", owner_id), (self.owner.plural, owner_id, "roles")
        return Command((self.owner.noun, *words), "GET", path)

    def question_to_assign(
        self, work: RoleWork, about: About, assignment: Assignment
    ) -> OperationQuestion:
        """The question before the role is assigned, or ends at another time than before.

        `NotFound` without role or audience; `Forbidden` if the caller may not assign the role.
        """
        scopes, name = _authorized_scopes(work, assignment), about.name
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

    def question_to_unassign(
        self, work: RoleWork, about: About, assignment: Assignment
    ) -> OperationQuestion:
        """The question before the role is unassigned.

        `NotFound` without such an assignment; `Forbidden` if the caller may not unassign the role.
        """
        if (before := work.assignments.find(about.owner_id, assignment)) is None:
            raise NotFound("assignment of the role", assignment.role)
        scopes, name = _authorized_scopes(work, assignment), about.name
        gone = self._difference(work, about, assignment, scopes, is_assigned=True)
        effect = self.on_members(work, about.owner_id, (), [HeldRole(**dict(before))])
        why = f"{name} loses {gone or 'no scope: it holds them otherwise as well'}."
        return OperationQuestion(
            f"Unassign {assignment.role} from {name}, {assignment.where}?",
            " ".join([why, *effect.sentences]) if effect.sentences else why + _KEPT,
            "Unassign",
            points=effect.points,
        )

    def _difference(
        self,
        work: RoleWork,
        about: About,
        assignment: Assignment,
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


def command_of(
    owner: ResourceType[Any, Any], verb: str, owner_id: str, assignment: Assignment, reason: str
) -> Command:
    """The command that assigns or unassigns a role, and the request that does the same."""
    where, details = assignment.audience, _details(assignment, reason)
    options = ["--everywhere"] if where is None else ["--audience", where]
    options += [w for n, v in details.items() for w in (f"--{n.replace('_', '-')}", v)]
    words = (owner.noun, "role", verb, owner_id, assignment.role, *options)
    path = (owner.plural, owner_id, "roles", assignment.role)
    query = {"everywhere": "true"} if where is None else {"audience": where}
    if verb == "assign":
        return Command(words, "PUT", path, details or None, query)
    return Command(words, "DELETE", path, query=query | details)


def sentence_of(verb: str, name: str, assignment: Assignment) -> str:
    """What was done to the principal of this name."""
    done = "assigned to" if verb == "assign" else "unassigned from"
    where = f"{assignment.where}{until(assignment.expires_at)}"
    return f"The role {assignment.role} is {done} {name}, {where}."


def _details(assignment: Assignment, reason: str) -> dict[str, str]:
    members = {"expires_at": in_json(assignment.expires_at), "reason": reason}
    return {name: value for name, value in members.items() if value}


def _authorized_scopes(work: RoleWork, assignment: Assignment) -> list[str]:
    scopes = work.roles.get(assignment.role).scopes
    if assignment.audience is not None:
        work.audiences.get(assignment.audience)
    work.authority.authorize_change(scopes=scopes)
    return scopes


def _end(assignment: Assignment) -> str:
    end = assignment.expires_at
    return "lasts" if end is None else f"ends at {utc(end)}"


def _without(rights: Rights, assignment: Assignment) -> Rights:
    """The rights that stay when the role is unassigned."""
    left = (
        grant
        for grant in rights.roles
        if grant.through or (grant.role, grant.audience_id) != assignment.place
    )
    return replace(rights, roles=tuple(left))
