"""Applying a plan with the same domain operations as the admin API."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from issuer.audiences import AudienceFields
from issuer.clients import ClientFields
from issuer.errors import NotAllowed
from issuer.manifest import current
from issuer.manifest.changes import Action, AssignmentChange, Change, ManifestPlan, Step
from issuer.manifest.resources import SECTIONS, Kind, Resource
from issuer.roles import RoleFields
from issuer.users import UserFields


@dataclass(frozen=True)
class Applied:
    """New `secrets` by client id, which cannot be shown again; new `user_ids` by user name."""

    secrets: Mapping[str, str] = field(repr=False)
    user_ids: Mapping[str, str]


class PlanOutdated(NotAllowed):
    """The configuration has changed since the plan was made."""


def apply(work: current.Configuration, plan: ManifestPlan) -> Applied:
    """Apply `plan` in the caller's transaction, which must be rolled back on any error.

    `PlanOutdated` if the configuration has changed since. All other errors are those of the
    single operations, such as `Forbidden` for a step that the caller may not do.
    """
    if work.change_count() != plan.change_count:
        raise PlanOutdated(
            "The configuration has changed since the plan was made. Make a new plan."
        )
    applying = _Applying(work)
    for step in plan.steps:
        applying.do(step)
    return Applied(applying.secrets, applying.user_ids)


class _Applying:
    def __init__(self, work: current.Configuration) -> None:
        self._work = work
        self.secrets: dict[str, str] = {}
        self.user_ids: dict[str, str] = {}

    def do(self, step: Step) -> None:
        self._work.authority.require(f"issuer:{SECTIONS[step.resource.kind]}:write")
        if isinstance(step, AssignmentChange):
            self._assign(step)
        elif step.action is Action.CREATE:
            self._create(step)
        elif step.action is Action.UPDATE:
            self._update(step)
        else:
            self._delete(step)

    def _assign(self, step: AssignmentChange) -> None:
        assignments = self._work.assignments
        do = assignments.assign if step.action is Action.ASSIGN else assignments.unassign
        do(self._id(step.resource), step.assignment)

    def _create(self, change: Change) -> None:
        match change.fields:
            case AudienceFields() as audience:
                self._work.audiences.create(audience)
            case RoleFields() as role:
                self._work.roles.create(role)
            case ClientFields() as client:
                created, secret = self._work.clients.create(client)
                self.secrets[created.client_id] = secret
            case UserFields() as user:
                self.user_ids[user.username] = self._work.users.create(user).id

    def _update(self, change: Change) -> None:
        name = self._id(change.resource)
        match change.fields:
            case AudienceFields():
                self._work.audiences.update(name, change.after)
            case RoleFields():
                self._work.roles.update(name, change.after)
            case ClientFields() as client:
                self._work.clients.replace(name, client)
            case UserFields() as user:
                self._work.users.replace(name, user)

    def _delete(self, change: Change) -> None:
        name = self._id(change.resource)
        match change.resource.kind:
            case Kind.AUDIENCE:
                self._work.audiences.delete(name)
            case Kind.ROLE:
                self._work.roles.delete(name)
            case Kind.CLIENT:
                self._work.clients.delete(name)
            case Kind.USER:
                self._work.users.delete(name)

    def _id(self, resource: Resource) -> str:
        return resource.id if resource.id is not None else self.user_ids[resource.name]
