"""The effect of a change of one role on the rights of those who have it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from issuer.audiences import AudienceFields
from issuer.clients import ClientFields
from issuer.fields.ids import fold_id
from issuer.manifest.changes import Shift
from issuer.manifest.current import Configuration
from issuer.manifest.principals import PlannedPrincipal
from issuer.manifest.resources import Resource
from issuer.manifest.rights import RightsSnapshot, shifts
from issuer.resources import ResourceType
from issuer.roles import ROLE, RoleFields

# No audience can have such an id.
_ALL, _OTHERS = "every AgentOS", "every other AgentOS"


@dataclass(frozen=True)
class RoleEffect:
    """The effect on `considered`, the first of those who have the role.

    The audience of a shift is "every AgentOS" or "every other AgentOS" where that is meant.
    """

    considered: tuple[Resource, ...]
    shifts: tuple[Shift, ...]


def role_effect(
    work: Configuration,
    before: RoleFields,
    after: RoleFields,
    among: Iterable[ResourceType[Any, Any]],
    limit: int,
) -> RoleEffect:
    """The scopes that at most `limit` principals gain and lose; `among` clients, users or both."""
    ids = work.assignments.holders(before.name, "", limit)
    principals = list(_principals(work, ids, among))
    names = {each.role for principal in principals for each in principal.assignments}
    roles: dict[str, RoleFields] = {
        role.name: role for role in work.collection(ROLE).named(names)
    } | {before.name: before}
    changed = roles | {before.name: after}
    found = [
        shift
        for principal in principals
        for shift in _shifts(principal, roles, changed, work.audiences.own_id)
    ]
    return RoleEffect(tuple(each.resource for each in principals), tuple(found))


def _principals(
    work: Configuration, ids: Sequence[str], among: Iterable[ResourceType[Any, Any]]
) -> Iterable[PlannedPrincipal]:
    assigned = work.assignments.of_each(ids)
    for kind in among:
        found = {fold_id(kind.key_of(each)): each for each in work.collection(kind).named(ids)}
        yield from (PlannedPrincipal(found[key], assigned[key]) for key in ids if key in found)


def _shifts(
    principal: PlannedPrincipal,
    before: Mapping[str, RoleFields],
    after: Mapping[str, RoleFields],
    own: str,
) -> Iterable[Shift]:
    fields = principal.fields
    named = {each.audience for each in principal.assignments if each.audience} | {own}
    if isinstance(fields, ClientFields):
        named = set(fields.audiences)
    else:
        named.add(_OTHERS if named > {own} else _ALL)
    audiences = {name: AudienceFields.model_construct(id=name) for name in named}
    was, becomes = (
        RightsSnapshot(audiences, roles, own).rights_of(fields, principal.assignments)
        for roles in (before, after)
    )
    return shifts(principal.resource, was, becomes)
