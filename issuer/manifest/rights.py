"""The effect of a change on rights: scopes gained and lost at audiences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from issuer.algorithms import AlgorithmInUse
from issuer.audiences import AudienceFields
from issuer.clients.client import Client, ClientFields
from issuer.directory import AudienceRecord, Rights, RoleGrant, Through
from issuer.fields.ids import fold_id
from issuer.groups import GroupFields
from issuer.manifest.changes import Shift
from issuer.manifest.current import Configuration
from issuer.manifest.entries import AnyType, Resource, in_order
from issuer.manifest.principals import PlannedPrincipal
from issuer.roles import ROLE, Assignment, HeldRole, RoleFields
from issuer.scopes import covers, parse
from issuer.users import USER, UserFields
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

    def lasts(self, scope: str, audience_id: str) -> bool:
        """Whether it can get exactly this scope there, and goes on to."""
        audience = self.audiences.get(audience_id)
        if audience is None or scope not in self.rights.at(audience):
            return False
        return self.rights.end_of([scope], audience) is None


NO_RIGHTS = PrincipalRights(Rights(frozenset(), ()), {})


class RightsSnapshot:
    """All audiences and roles, before or after a change."""

    def __init__(
        self,
        audiences: Mapping[str, AudienceFields],
        roles: Mapping[str, RoleFields],
        own_audience: str,
    ) -> None:
        self._audiences = {key: _record(each, own_audience) for key, each in audiences.items()}
        self._own = own_audience
        self._roles = {name: frozenset(role.scopes) for name, role in roles.items()}

    def counts_here(self, client: ClientFields, assignments: Iterable[Assignment]) -> bool:
        """Whether it holds rights at the issuer, also while it is disabled."""
        own = any(parse(each).is_of_issuer for each in client.scopes)
        return own or self._own in client.audiences or self.gives_here(assignments)

    def gives_here(self, assignments: Iterable[Assignment]) -> bool:
        """Whether one of them gives rights at the issuer."""
        here = (each.role for each in assignments if each.audience in {None, self._own})
        scopes = (scope for role in here for scope in self._roles.get(role, ()))
        return any(parse(each).is_of_issuer for each in scopes)

    def rights_of(
        self, principal: ClientFields | UserFields, assignments: Iterable[Assignment]
    ) -> PrincipalRights:
        """The rights of a client, or of a user through a client with all rights."""
        if principal.disabled:
            return NO_RIGHTS
        grants = tuple(
            RoleGrant(each.role, each.audience, self._roles[each.role], _via(each), each.expires_at)
            for each in assignments
            if each.role in self._roles
        )
        if isinstance(principal, UserFields):
            return PrincipalRights(Rights(frozenset(), grants), self._audiences)
        known = self._audiences
        audiences = {name: known[name] for name in principal.audiences if name in known}
        rights = Rights(frozenset(principal.scopes), grants, principal.scopes_expire_at)
        return PrincipalRights(rights, audiences)


def _via(assignment: Assignment) -> Through | None:
    return assignment.via if isinstance(assignment, HeldRole) else None


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
        # Irrelevant for rights.
        signing_alg=AlgorithmInUse(audience.signing_alg or SigningAlgorithm.RS256),
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
    work: Configuration, before: RoleFields, after: RoleFields, among: Iterable[AnyType], limit: int
) -> RoleEffect:
    """The scopes that at most `limit` principals gain and lose; `among` clients, users or both."""
    ids = work.assignments.principals_with_role(before.name).first(limit)
    principals = list(_principals(work, ids, among))
    names = {each.role for principal in principals for each in principal.assignments}
    roles: dict[str, RoleFields] = {each.name: each for each in work.collection(ROLE).named(names)}
    roles[before.name] = before
    changed = roles | {before.name: after}
    shift_of = partial(_shifts, roles_before=roles, roles_after=changed, own=work.audiences.own_id)
    found = [shift for each in principals for shift in shift_of(each, each)]
    return RoleEffect(tuple(each.resource for each in principals), tuple(found))


def effect_on_users(
    work: Configuration,
    user_ids: Sequence[str],
    gained: Iterable[HeldRole],
    lost: Iterable[HeldRole],
) -> list[Shift]:
    """The scopes that users gain and lose with these roles, of which none is assigned to them."""
    found = list(_principals(work, [fold_id(each) for each in user_ids], [USER]))
    names = {each.role for one in found for each in one.assignments} | {e.role for e in gained}
    roles: dict[str, RoleFields] = {e.name: e for e in work.collection(ROLE).named(names)}
    shifts_of: list[Shift] = []
    for principal in found:
        held = {*principal.assignments}
        after = replace(principal, assignments=in_order((held - {*lost}) | {*gained}))
        shifts_of += _shifts(principal, after, roles, roles, work.audiences.own_id)
    return shifts_of


def effect_on_client(
    client: Client, rights: Rights, after: ClientFields, own: str
) -> Iterable[Shift]:
    """The scopes that a client gains and loses by a change of its own members."""
    names = {*client.audiences, *after.audiences}
    audiences = {name: _record(AudienceFields.model_construct(id=name), own) for name in names}
    had, has = (
        PrincipalRights(
            replace(rights, direct=frozenset(each.scopes)),
            {name: audiences[name] for name in each.audiences},
        )
        for each in (client, after)
    )
    return shifts(PlannedPrincipal(client, []).resource, had, has)


def _principals(
    work: Configuration, ids: Sequence[str], among: Iterable[AnyType]
) -> Iterable[PlannedPrincipal]:
    held = work.assignments.roles_of_all(ids)
    for kind in among:
        found = {fold_id(kind.key_of(each)): each for each in work.collection(kind).named(ids)}
        yield from (PlannedPrincipal(found[key], [*held[key]]) for key in ids if key in found)


def _shifts(
    was: PlannedPrincipal,
    becomes: PlannedPrincipal,
    roles_before: Mapping[str, RoleFields],
    roles_after: Mapping[str, RoleFields],
    own: str,
) -> Iterable[Shift]:
    fields = was.fields
    assert not isinstance(fields, GroupFields)  # what a group gives, its members hold
    named = {e.audience for one in (was, becomes) for e in one.assignments if e.audience} | {own}
    if isinstance(fields, ClientFields):
        named = set(fields.audiences)
    else:
        named.add(_OTHERS if named > {own} else _ALL)
    audiences = {name: AudienceFields.model_construct(id=name) for name in named}
    before, after = (
        RightsSnapshot(audiences, roles, own).rights_of(fields, in_order(each.assignments))
        for each, roles in ((was, roles_before), (becomes, roles_after))
    )
    return shifts(was.resource, before, after)
