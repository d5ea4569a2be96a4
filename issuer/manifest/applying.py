"""Applying a plan with the same domain operations as the admin API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby

from issuer.audiences import AUDIENCE
from issuer.clients.client import NewClient
from issuer.errors import NotAllowed
from issuer.groups import GROUP, Group
from issuer.manifest import current
from issuer.manifest.changes import (
    Action,
    AssignmentChange,
    Change,
    ManifestPlan,
    MemberChange,
    Step,
)
from issuer.manifest.entries import TYPES, Resource
from issuer.users import USER, User


@dataclass(frozen=True)
class Applied:
    """`secrets` by client id; `user_ids` by name; `warnings` on who cannot sign in any more."""

    secrets: Mapping[str, str] = field(repr=False)
    user_ids: Mapping[str, str]
    warnings: tuple[str, ...] = ()


class PlanOutdated(NotAllowed):
    """The configuration has changed since the plan was made."""

    def __init__(self) -> None:
        super().__init__("The configuration has changed since the plan was made. Make a new plan.")


def apply(work: current.Configuration, plan: ManifestPlan) -> Applied:
    """Apply `plan` in the caller's transaction, which must be rolled back on any error.

    `PlanOutdated`, or errors of the single operations, such as `Forbidden`.
    """
    if work.change_count() != plan.change_count:
        raise PlanOutdated
    applying = _Applying(work)
    applying.free_resources(plan.steps)
    for group, steps in groupby(plan.steps, _group_of):
        if group is None:
            for step in steps:
                applying.do(step)
        else:
            users = [each.user for each in steps if isinstance(each, MemberChange)]
            applying.change_members(*group, users)
    return Applied(applying.secrets, applying.user_ids)


@dataclass
class _Applying:
    work: current.Configuration
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    user_ids: dict[str, str] = field(default_factory=dict)
    group_ids: dict[str, str] = field(default_factory=dict)

    def free_resources(self, steps: Iterable[Step]) -> None:
        """URLs that move from one audience to another are free before the other gets them."""
        audiences = [
            each
            for each in steps
            if isinstance(each, Change) and each.resource.kind == AUDIENCE.kind
        ]
        for change in audiences:
            others = (each.after.get("resources", []) for each in audiences if each is not change)
            gained = {*chain.from_iterable(others)}
            had = change.before.get("resources", [])
            if not gained.isdisjoint(had):
                self.work.authority.require(AUDIENCE.write)
                kept = [url for url in had if url not in gained]
                self.work.audiences.update(change.resource.name, {"resources": kept})

    def do(self, step: Step) -> None:
        resource_type = TYPES[step.resource.kind]
        self.work.authority.require(resource_type.write)
        if isinstance(step, AssignmentChange):
            assignments = self.work.assignments
            do = assignments.assign if step.action is Action.ASSIGN else assignments.unassign
            do(self._id(step.resource), step.assignment)
            return
        assert isinstance(step, Change)
        collection = self.work.collection(resource_type)
        if step.fields is None:
            collection.delete(self._id(step.resource))
        elif step.action is Action.UPDATE:
            collection.replace(self._id(step.resource), step.fields)
        else:
            match collection.create(step.fields):
                case NewClient() as client:
                    self.secrets[client.client_id] = client.client_secret
                case User() as user:
                    self.user_ids[user.username] = user.id
                case Group() as group:
                    self.group_ids[group.name] = group.id

    def change_members(self, action: Action, group: Resource, users: Iterable[Resource]) -> None:
        """All of one group at once: each change finds out who is in it."""
        self.work.authority.require(GROUP.write)
        group_id, user_ids = self._id(group), [self._id(each) for each in users]
        if action is Action.ADD_MEMBER:
            self.work.groups.add_members(group_id, user_ids)
        else:
            self.work.groups.remove_members(group_id, user_ids)

    def _id(self, resource: Resource) -> str:
        if resource.id is not None:
            return resource.id
        return (self.user_ids if resource.kind == USER.kind else self.group_ids)[resource.name]


def _group_of(step: Step) -> tuple[Action, Resource] | None:
    return (step.action, step.resource) if isinstance(step, MemberChange) else None
