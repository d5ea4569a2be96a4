"""The changes from the current to the declared state of one resource."""

from collections.abc import Iterable, Iterator

from issuer.fields.fields import Fields
from issuer.manifest.changes import Action, AssignmentChange, Change
from issuer.manifest.members import all_members, differing, in_order, members
from issuer.manifest.resources import Resource
from issuer.roles import Assignment


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
    """Roles to unassign, then roles to assign."""
    for assignment in in_order(set(before).difference(after)):
        yield AssignmentChange(Action.UNASSIGN, resource, assignment)
    for assignment in in_order(set(after).difference(before)):
        yield AssignmentChange(Action.ASSIGN, resource, assignment)
