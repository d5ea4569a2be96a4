"""Applying a plan with the same domain operations as the admin API."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from issuer.audiences import AUDIENCE
from issuer.clients import NewClient
from issuer.errors import NotAllowed
from issuer.manifest import current
from issuer.manifest.changes import Action, AssignmentChange, Change, ManifestPlan, Step
from issuer.manifest.entries import TYPES, Resource
from issuer.users import User


@dataclass(frozen=True)
class Applied:
    """New `secrets` by client id, which cannot be shown again; new `user_ids` by user name.

    `warnings` are about those who cannot sign in any more, known after the transaction.
    """

    secrets: Mapping[str, str] = field(repr=False)
    user_ids: Mapping[str, str]
    warnings: tuple[str, ...] = ()


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
    applying.free_resources(plan.steps)
    for step in plan.steps:
        applying.do(step)
    return Applied(applying.secrets, applying.user_ids)


@dataclass
class _Applying:
    work: current.Configuration
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    user_ids: dict[str, str] = field(default_factory=dict)

    def free_resources(self, steps: Iterable[Step]) -> None:
        """URLs that move from one audience to another are free before the other gets them."""
        audiences = [
            each
            for each in steps
            if isinstance(each, Change) and each.resource.kind == AUDIENCE.kind
        ]
        for change in audiences:
            others = (each.after for each in audiences if each is not change)
            gained = {url for after in others for url in after.get("resources", [])}
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

    def _id(self, resource: Resource) -> str:
        return resource.id if resource.id is not None else self.user_ids[resource.name]
