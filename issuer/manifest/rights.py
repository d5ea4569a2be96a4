"""The effect of a change on rights: scopes gained and lost at audiences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from issuer.algorithms import AlgorithmInUse
from issuer.audiences import AudienceFields
from issuer.clients import ClientFields
from issuer.directory import AudienceRecord, Rights, RoleGrant
from issuer.fields.ids import fold_id
from issuer.manifest.changes import Shift
from issuer.manifest.current import Configuration
from issuer.manifest.entries import Resource
from issuer.manifest.principals import PlannedPrincipal
from issuer.resources import ResourceType
from issuer.roles import ROLE, Assignment, RoleFields
from issuer.scopes import covers, parse
from issuer.users import UserFields
from issuer.vocabulary import SigningAlgorithm

# No audience can have such an id.
_ALL, _OTHERS = "every AgentOS", "every other AgentOS"


@dataclass(frozen=True)
class PrincipalRights:
    """The scopes a principal can get in a token, by audience; none if it is disabled."""

    rights: Rights
    audiences: Mapping[str, AudienceRecord]

    def at(self, audience_id: str) -> frozenset[str]:
        audience = self.audiences.get(audience_id)
        return self.rights.at(audience) if audience else frozenset()


NO_RIGHTS = PrincipalRights(Rights(frozenset(), ()), {})


class RightsSnapshot:
    """All audiences and roles, before or after a change."""

    def __init__(
        self,
        audiences: Mapping[str, AudienceFields],
        roles: Mapping[str, RoleFields],
        own_audience: str,
    ) -> None:
        self._audiences = {
            name: _record(audience, own_audience) for name, audience in audiences.items()
        }
        self._own = own_audience
        self._roles = {name: frozenset(role.scopes) for name, role in roles.items()}

    def counts_here(
        self, principal: ClientFields | UserFields, assignments: Iterable[Assignment]
    ) -> bool:
        """Whether it holds rights at the issuer, also while it is disabled."""
        here = (each.role for each in assignments if each.audience in {None, self._own})
        scopes = {scope for role in here for scope in self._roles.get(role, ())}
        if isinstance(principal, ClientFields):
            scopes |= {*principal.scopes}
            if self._own in principal.audiences:
                return True
        return any(parse(scope).is_of_issuer for scope in scopes)

    def rights_of(
        self, principal: ClientFields | UserFields, assignments: Iterable[Assignment]
    ) -> PrincipalRights:
        """The rights of a client, or of a user through a client with all rights."""
        if principal.disabled:
            return NO_RIGHTS
        grants = tuple(
            RoleGrant(each.role, each.audience, self._roles[each.role])
            for each in assignments
            if each.role in self._roles
        )
        if isinstance(principal, UserFields):
            return PrincipalRights(Rights(frozenset(), grants), self._audiences)
        known = self._audiences
        audiences = {name: known[name] for name in principal.audiences if name in known}
        return PrincipalRights(Rights(frozenset(principal.scopes), grants), audiences)


def shifts(principal: Resource, before: PrincipalRights, after: PrincipalRights) -> Iterator[Shift]:
    """The scopes gained and lost by audience. A scope covered before is no gain."""
    if before.rights == after.rights and before.audiences.keys() == after.audiences.keys():
        return
    for audience in sorted({*before.audiences, *after.audiences}):
        had, has = before.at(audience), after.at(audience)
        gains = tuple(sorted(scope for scope in has if not covers(had, scope)))
        losses = tuple(sorted(scope for scope in had if not covers(has, scope)))
        if gains or losses:
            yield Shift(principal, audience, gains, losses)


def _record(audience: AudienceFields, own_audience: str) -> AudienceRecord:
    return AudienceRecord(
        id=audience.id,
        signing_alg=AlgorithmInUse(
            audience.signing_alg or SigningAlgorithm.RS256
        ),  # irrelevant for rights
        access_token_ttl=audience.access_token_ttl,
        include_roles=audience.include_roles,
        is_own=audience.id == own_audience,
    )


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
