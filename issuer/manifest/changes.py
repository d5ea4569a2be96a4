"""The parts of a plan: plain data, with a JSON form and a text form."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from issuer.authority import GivenCredential, GivenMember
from issuer.fields.fields import Fields
from issuer.fields.times import until
from issuer.manifest.entries import (
    NAMED_BY,
    TYPES,
    Resource,
    all_members,
    differing,
    in_order,
    members,
)
from issuer.manifest.problems import quote
from issuer.roles import Assignment
from issuer.users import USER


class Action(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    ASSIGN = "assign"
    UNASSIGN = "unassign"
    ADD_MEMBER = "add_member"
    REMOVE_MEMBER = "remove_member"


_SIGNS = dict(zip(Action, "+~-+-+-", strict=True))


@dataclass(frozen=True, slots=True)
class Change:
    """A resource created, updated or deleted; `fields` is its new state.

    `before` and `after` have the members that change, or are not at their default.
    """

    action: Action
    resource: Resource
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    fields: Fields | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        return {
            "action": self.action.value,
            **self.resource.as_json(),
            "before": None if self.action is Action.CREATE else dict(self.before),
            "after": None if self.action is Action.DELETE else dict(self.after),
        }

    def lines(self) -> Iterator[str]:
        yield f"{_SIGNS[self.action]} {self.action} {self.resource}"
        for name, value in self.after.items():
            if self.action is Action.UPDATE:
                yield f"    {name}: {quote(self.before[name])} → {quote(value)}"
            elif name not in {TYPES[self.resource.kind].key, NAMED_BY.get(self.resource.kind)}:
                yield f"    {name}: {quote(value)}"


@dataclass(frozen=True, slots=True)
class AssignmentChange:
    action: Action
    resource: Resource
    assignment: Assignment

    def as_json(self) -> dict[str, Any]:
        assignment = self.assignment.model_dump(mode="json")
        return {"action": self.action.value, **self.resource.as_json(), **assignment}

    @property
    def text(self) -> str:
        role = f"role {self.assignment.role} {self.assignment.where}"
        if self.action is Action.ASSIGN:
            return f"assign {role} to {self.resource}{until(self.assignment.expires_at)}"
        return f"unassign {role} from {self.resource}"

    def lines(self) -> Iterator[str]:
        yield f"{_SIGNS[self.action]} {self.text}"


@dataclass(frozen=True, slots=True)
class MemberChange:
    action: Action
    resource: Resource
    user: Resource

    def as_json(self) -> dict[str, Any]:
        user = {"user_id": self.user.id, "username": self.user.name}
        return {"action": self.action.value, **self.resource.as_json(), **user}

    @property
    def text(self) -> str:
        verb, way = ("add", "to") if self.action is Action.ADD_MEMBER else ("remove", "from")
        return f"{verb} {self.user} {way} {self.resource}"

    def lines(self) -> Iterator[str]:
        yield f"{_SIGNS[self.action]} {self.text}"


Step: TypeAlias = Change | AssignmentChange | MemberChange


@dataclass(frozen=True, slots=True)
class Shift:
    """The scopes a principal gains and loses at one audience."""

    principal: Resource
    audience: str
    gains: tuple[str, ...]
    losses: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        scopes = {"gains": list(self.gains), "losses": list(self.losses)}
        return {**self.principal.as_json(), "audience": self.audience, **scopes}

    def lines(self) -> Iterator[str]:
        for verb, scopes in (("gains", self.gains), ("loses", self.losses)):
            if scopes:
                yield f"{self.principal.text} {verb} {', '.join(scopes)} at {self.audience}"


@dataclass(frozen=True)
class ManifestPlan:
    """Steps in an order in which they can be applied, and their effect on rights.

    `credentials` were given without `issuer:admin` to clients that begin to hold rights at the
    issuer, and `members` to groups: they must be confirmed where the plan is applied. False if
    there are no steps. It is valid for the configuration at `change_count`. A user gains a scope
    only in tokens issued through a client that has it too.
    """

    change_count: int
    steps: tuple[Step, ...]
    shifts: tuple[Shift, ...]
    credentials: tuple[GivenCredential, ...] = ()
    members: tuple[GivenMember, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.steps)

    def as_json(self) -> dict[str, Any]:
        """The plan as JSON values, with stable names."""
        return {
            "change_count": self.change_count,
            "changes": [step.as_json() for step in self.steps],
            "rights": [shift.as_json() for shift in self.shifts],
            "credentials": [asdict(each) for each in self.credentials],
            "members": [asdict(each) for each in self.members],
        }

    def lines(self) -> Iterator[str]:
        """A line for each change and member, then a sentence for each change of rights, and each
        credential or member to confirm.
        """
        for each in (*self.steps, *self.shifts):
            yield from each.lines()
        for credential in self.credentials:
            yield f"needs --keep-credentials {credential.id}: {credential}"
        for member in self.members:
            yield f"needs --keep-members {member.user_id}: {member}"


def plan_of(members: Mapping[str, Any]) -> ManifestPlan:
    """The plan that has these JSON values. It shows what it would do; it cannot be applied."""
    return ManifestPlan(
        members["change_count"],
        tuple(map(_step_of, members["changes"])),
        tuple(
            Shift(_resource_of(it), it["audience"], tuple(it["gains"]), tuple(it["losses"]))
            for it in members["rights"]
        ),
        tuple(GivenCredential(**each) for each in members["credentials"]),
        tuple(GivenMember(**each) for each in members["members"]),
    )


def _resource_of(members: Mapping[str, Any]) -> Resource:
    name = members[NAMED_BY.get(members["kind"], "id")]
    return Resource(members["kind"], members["id"], name)


def _step_of(members: Mapping[str, Any]) -> Step:
    action, resource = Action(members["action"]), _resource_of(members)
    match action:
        case Action.ASSIGN | Action.UNASSIGN:
            own = {name: members[name] for name in Assignment.model_fields}
            return AssignmentChange(action, resource, Assignment.read(own))
        case Action.ADD_MEMBER | Action.REMOVE_MEMBER:
            user = Resource(USER.kind, members["user_id"], members["username"])
            return MemberChange(action, resource, user)
    return Change(action, resource, members["before"] or {}, members["after"] or {})


def changes(resource: Resource, before: Fields | None, after: Fields | None) -> Iterator[Change]:
    """The step from `before` to `after`, if they differ; None means that it does not exist."""
    if before is None and after is not None:
        yield Change(Action.CREATE, resource, {}, members(after), after)
    elif before is not None and after is None:
        yield Change(Action.DELETE, resource, members(before), {})
    elif before is not None and after is not None:
        old, new = all_members(before), all_members(after)
        if names := differing(old, new):
            was, becomes = ({name: each[name] for name in names} for each in (old, new))
            yield Change(Action.UPDATE, resource, was, becomes, after)


def assignment_changes(
    resource: Resource, before: Iterable[Assignment], after: Iterable[Assignment]
) -> Iterator[AssignmentChange]:
    """Roles to unassign, then roles to assign; also those that end at another time than before."""
    before, after = list(before), list(after)
    kept = {each.place for each in after}
    for assignment in in_order(each for each in before if each.place not in kept):
        yield AssignmentChange(Action.UNASSIGN, resource, assignment)
    for assignment in in_order(set(after).difference(before)):
        yield AssignmentChange(Action.ASSIGN, resource, assignment)
