"""From what is to what is wanted, for one resource."""

from collections.abc import Iterable, Iterator

from issuer.fields import Fields
from issuer.manifest.changes import Action, AssignmentChange, Change
from issuer.manifest.members import all_members, differing, in_order, members
from issuer.manifest.resources import Resource
from issuer.roles import Assignment


def changes(resource: Resource, before: Fields | None, after: Fields | None) -> Iterator[Change]:
    """The one step from `before` to `after`, where None is nothing at all; or no step."""
    if before is None and after is not None:
        yield Change(Action.CREATE, resource, {}, members(after), after)
    elif before is not None and after is None:
        yield Change(Action.DELETE, resource, members(before), {})
    elif before is not None and after is not None:
        old, new = all_members(before), all_members(after)
        if names := differing(old, new):
            was, will_be = ({name: each[name] for name in names} for each in (old, new))
            yield Change(Action.UPDATE, resource, was, will_be, after)


def assignment_changes(
    resource: Resource, had: Iterable[Assignment], given: Iterable[Assignment]
) -> Iterator[AssignmentChange]:
    """What is taken, then what is given."""
    for assignment in in_order(set(had).difference(given)):
        yield AssignmentChange(Action.UNASSIGN, resource, assignment)
    for assignment in in_order(set(given).difference(had)):
        yield AssignmentChange(Action.ASSIGN, resource, assignment)
