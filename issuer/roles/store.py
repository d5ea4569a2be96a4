"""Roles and their assignments in SQL."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain

from sqlalchemy import ColumnElement, Select, func, null, or_, select, true, union, union_all
from sqlalchemy.orm import Session

from issuer.clock import Clock
from issuer.database import held_roles
from issuer.database.store import Statements, Store, begins_with, in_parts
from issuer.database.tables import (
    AssignmentRow,
    ClientRow,
    GroupMemberRow,
    GroupRow,
    IdentityGroupRow,
    IdentityRow,
    PrincipalRow,
    ProviderRoleRow,
    RoleRow,
    TrustedIssuerRow,
    UserRow,
)
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.values import lazy_property
from issuer.vocabulary import RegisteredBy

MANY = 10_000
_STREAMED = {"yield_per": 1_000}
_LOOKED_AT = 10_000


class Holders:
    """Principals of these `kinds` who hold such a role in any way, by their folded ids."""

    def __init__(self, live: "AssignmentStore", which: held_roles.Which, *kinds: str) -> None:
        self._live = live
        self._which = which
        self._kinds = kinds

    def count(self) -> int:
        """How many they are, but no more than `MANY`."""
        return len(self._some)

    def first(self, limit: int, after: str = "") -> Sequence[str]:
        """The first ones after that id, in order.

        A few are all read, and sorted. Of many, the next ones are soon found among all principals.
        """
        if len(self._some) < MANY:
            return sorted(each for each in self._some if each > after)[:limit]
        key = PrincipalRow.folded_id
        query = select(key).where(key > after, PrincipalRow.kind.in_(self._kinds))
        query = query.where(held_roles.holds(self._which, self._live.is_live)).order_by(key)
        return self._live.session.scalars(query.limit(limit)).all()

    @lazy_property
    def _some(self) -> set[str]:
        """All of them, or `MANY`."""
        found = set[str]()
        for each in chain(self._assigned(), map(fold_id, self._members()), self._given()):
            found.add(each)
            if len(found) == MANY:
                break
        return found

    def _assigned(self) -> Iterator[str]:
        kind = select(PrincipalRow.kind).where(PrincipalRow.folded_id == AssignmentRow.folded_id)
        is_of_kind = kind.correlate(AssignmentRow).scalar_subquery().in_(self._kinds)
        query = select(AssignmentRow.folded_id).where(self._live.is_live, is_of_kind)
        for condition in self._which.by_index:
            yield from self._stream(query.where(condition(AssignmentRow)))

    def _members(self) -> Iterator[str]:
        """Beginning with all groups: there are far fewer of them than of users."""
        groups = select(GroupRow.id).where(held_roles.is_assigned(self._which, self._live.is_live))
        member = GroupMemberRow
        for part in in_parts(self._stream(groups)):
            yield from self._stream(select(member.user_id).where(member.group_id.in_(part)))

    def _given(self) -> Iterator[str]:
        role, identity, in_group = ProviderRoleRow, IdentityRow, IdentityGroupRow
        giving = (
            select(role.issuer_id, role.group)
            .join(TrustedIssuerRow, TrustedIssuerRow.id == role.issuer_id)
            .where(self._which.as_filter(role), TrustedIssuerRow.disabled.is_(False))
        )
        groups = {(issuer, group) for issuer, group in self._live.session.execute(giving)}
        query = select(identity.user_id, identity.issuer_id, in_group.group).join(
            in_group, in_group.identity_id == identity.id
        )
        for part in in_parts({group for _, group in groups}):
            people = query.where(in_group.group.in_(part))
            for user_id, *group in self._live.session.execute(people, execution_options=_STREAMED):
                if tuple(group) in groups:
                    yield fold_id(user_id)

    def _stream(self, query: Select[str]) -> Iterable[str]:
        return self._live.session.scalars(query, execution_options=_STREAMED)


class RoleStore(Store[RoleRow]):
    kind = "role"
    row = RoleRow
    searched = (RoleRow.name,)
    sorted_by = {
        "name": RoleRow.name,
        "description": func.lower(RoleRow.description),
        "updated_at": RoleRow.updated_at,
    }
    also_searched = (RoleRow.description,)

    def assignments_of_role(self, name: str) -> Sequence[AssignmentRow]:
        """All of them, also those that have ended."""
        query = select(AssignmentRow).where(AssignmentRow.role_name == name)
        return self.session.scalars(query).all()

    def group_names(self, folded_ids: Sequence[str]) -> dict[str, str]:
        """The names of the groups among these principals, by folded id."""
        query = select(GroupRow.folded_id, GroupRow.name)
        return dict(self.session.execute(query.where(GroupRow.folded_id.in_(folded_ids))).all())


class AssignmentStore(Statements):
    """Roles assigned to principals, within one transaction. What has ended counts as not held.

    `assigned`: directly, to a client, user or group. `with_role`: in any way, for a user also
    through a group or a trusted issuer, which is `inheriting`.
    """

    def __init__(self, session: Session, clock: Clock) -> None:
        super().__init__(session)
        self._clock = clock

    @lazy_property
    def is_live(self) -> ColumnElement[bool]:
        """Whether an assignment has not ended: not asked of each while none has.

        Then indexes alone tell how many hold a role.
        """
        now = self._clock()
        return held_roles.is_live(now) if self.ended(now, 1) else true()

    def assignments_of_each(self, folded_ids: Sequence[str]) -> Sequence[AssignmentRow]:
        """The assignments of several principals, in one query and no order."""
        query = select(AssignmentRow).where(AssignmentRow.folded_id.in_(folded_ids))
        return self.session.scalars(query.where(self.is_live)).all()

    def role_names_of_all(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """By id, the names of the roles that each of these holds in any way, in order."""
        found: dict[str, set[str]] = {fold_id(each): set() for each in ids}
        held = union(*held_roles.roles_of([*found], self.is_live))
        for folded_id, name in self.session.execute(held):
            found[folded_id].add(name)
        return {each: sorted(found[fold_id(each)]) for each in ids}

    def principals_assigned(self, name: str, after: str, limit: int) -> Sequence[str]:
        """The folded ids of at most `limit` principals to which it is assigned, after that one."""
        holder = AssignmentRow.folded_id
        query = select(holder).distinct().where(AssignmentRow.role_name == name, self.is_live)
        query = query.where(holder > after).order_by(holder)
        return self.session.scalars(query.limit(limit)).all()

    def count_assigned(self, name: str, most: int) -> int:
        """How many principals the role is assigned to, but no more than `most`."""
        return self._count(AssignmentRow.role_name == name, most)

    def count_assigned_of_each(self, names: Collection[str], most: int) -> dict[str, int]:
        """`count_assigned` of each of these roles, in one query for each part."""
        row = AssignmentRow
        of_role = select(row.folded_id).distinct().where(row.role_name == RoleRow.name)
        some = of_role.where(self.is_live).limit(most)
        number = select(func.count()).select_from(some.correlate(RoleRow).subquery())
        query = select(RoleRow.name, number.scalar_subquery())
        parts = (query.where(RoleRow.name.in_(part)) for part in in_parts(names))
        found = {name: count for part in parts for name, count in self.session.execute(part)}
        return dict.fromkeys(names, 0) | found

    def providers_of(self, name: str, limit: int | None = None) -> Sequence[ProviderRoleRow]:
        """The groups at trusted issuers that give the role, in order."""
        row = ProviderRoleRow
        query = select(row).where(row.role_name == name).order_by(row.issuer_id, row.group, row.id)
        return self.session.scalars(query.limit(limit)).all()

    def audiences_of_roles(self, names: Iterable[str], limit: int) -> list[tuple[str, str | None]]:
        """Where these roles are assigned, or given by trusted issuers: role and audience.

        An audience of None means everywhere. No more than `limit` at one audience, everywhere, and
        given.
        """
        row, given = AssignmentRow, ProviderRoleRow
        is_of_role, named = row.role_name == RoleRow.name, RoleRow.name.in_([*names])
        # From each audience to the next in the index: a million may hold a role at one of them.
        audience = select(func.min(row.audience_id)).where(self.is_live)
        first = audience.where(is_of_role).scalar_subquery()
        places = select(RoleRow.name.label("role"), first.label("at")).where(named)
        steps = places.cte(recursive=True)
        later = audience.where(row.role_name == steps.c.role, row.audience_id > steps.c.at)
        steps = steps.union_all(
            select(steps.c.role, later.scalar_subquery()).where(steps.c.at.is_not(None))
        )
        at_all = (is_of_role, row.audience_id.is_(None), self.is_live)
        everywhere = select(row.id).where(*at_all).exists()
        queries = (
            select(steps).where(steps.c.at.is_not(None)),
            select(RoleRow.name, null()).where(named, everywhere),
            select(given.role_name, given.audience_id)
            .where(given.role_name.in_([*names]))
            .distinct(),
        )
        found = (self.session.execute(query.limit(limit)) for query in queries)
        return [(role, at) for rows in found for role, at in rows]

    def with_holders(self, names: Collection[str]) -> set[str]:
        """Which of these roles some client or user holds in any way; a query for each part."""
        query = select(RoleRow.name).where(held_roles.is_held(self.is_live))
        return {*self.among(query, RoleRow.name, names)}

    def principals_with_role(self, name: str) -> Holders:
        """The clients and users who hold the role in any way."""
        return Holders(self, held_roles.of_role(name), "client", "user")

    def users_with_role_at(self, audience_id: str) -> Holders:
        """The users with a role there or everywhere, in any way."""
        return Holders(self, held_roles.counting_at(audience_id), "user")

    def find_users_with_role_at(self, audience_id: str, text: str, limit: int) -> list[str]:
        """The users with a role there whose ids or names begin so, among the first `_LOOKED_AT`."""
        found: dict[str, None] = {}
        for column, prefix in (
            (UserRow.folded_id, fold_id(text)),
            (UserRow.folded_username, fold_username(text)),
        ):
            begin = select(UserRow.folded_id, column.label("found")).where(
                begins_with(column, prefix)
            )
            some = begin.order_by(column).limit(_LOOKED_AT).subquery()
            query = (
                select(some.c.folded_id)
                .join(PrincipalRow, PrincipalRow.folded_id == some.c.folded_id)
                .where(held_roles.holds(held_roles.counting_at(audience_id), self.is_live))
                .order_by(some.c.found)
            )
            found |= dict.fromkeys(self.session.scalars(query.limit(limit)))
        return list(found)[:limit]

    def count_at(self, audience_id: str, most: int) -> int:
        """How many principals have a role at exactly this audience, but no more than `most`.

        Each group at a trusted issuer that gives one counts as well.
        """
        given = select(ProviderRoleRow.id).where(ProviderRoleRow.audience_id == audience_id)
        mapped = select(func.count()).select_from(given.limit(most).subquery())
        assigned = self._count(AssignmentRow.audience_id == audience_id, most)
        return min(most, assigned + (self.session.scalar(mapped) or 0))

    def _count(self, where: ColumnElement[bool], most: int) -> int:
        some = select(AssignmentRow.folded_id).distinct().where(where, self.is_live).limit(most)
        return self.session.scalar(select(func.count()).select_from(some.subquery())) or 0

    def assignment(
        self, folded_id: str, role_name: str, audience_id: str | None
    ) -> AssignmentRow | None:
        row = AssignmentRow
        is_at = row.audience_id.is_not_distinct_from(audience_id)
        return self.one(row, row.folded_id == folded_id, row.role_name == role_name, is_at)

    def members(self, folded_id: str) -> Sequence[str]:
        """The ids of all members, if the principal is a group."""
        row = GroupMemberRow
        query = select(row.user_id).join(GroupRow, GroupRow.id == row.group_id)
        return self.session.scalars(query.where(GroupRow.folded_id == folded_id)).all()

    def ids(self, folded_ids: Collection[str]) -> dict[str, str]:
        """The ids of clients, users and groups, by their folded ids."""
        queries = (
            select(row.folded_id, key).where(row.folded_id.in_(folded_ids))
            for row, key in (
                (ClientRow, ClientRow.client_id),
                (UserRow, UserRow.id),
                (GroupRow, GroupRow.id),
            )
        )
        return {row[0]: row[1] for row in self.session.execute(union_all(*queries))}

    def user_ids_of(self, folded_id: str) -> Sequence[str]:
        """The id of the principal if it is a user, or those of all members of the group."""
        user = select(UserRow.id).where(UserRow.folded_id == folded_id)
        return self.session.scalars(user).all() or self.members(folded_id)

    def client_id(self, folded_id: str) -> str | None:
        """The id of the principal if it is a client."""
        query = select(ClientRow.client_id).where(ClientRow.folded_id == folded_id)
        return self.session.scalar(query)

    def ended(self, now: datetime, limit: int) -> Sequence[AssignmentRow]:
        """Some of the assignments that have ended, the first ones first."""
        end = AssignmentRow.expires_at
        query = select(AssignmentRow).where(end <= now).order_by(end, AssignmentRow.id)
        return self.session.scalars(query.limit(limit)).all()

    def ending(
        self,
        kinds: Collection[str],
        within: tuple[datetime, datetime],
        given_before: datetime,
        limit: int,
    ) -> Sequence[tuple[AssignmentRow, str]]:
        """What was given before and ends first between two instants, with the holder's kind."""
        end, given_at = AssignmentRow.expires_at, AssignmentRow.given_at
        query = (
            select(AssignmentRow, PrincipalRow.kind)
            .join(PrincipalRow, PrincipalRow.folded_id == AssignmentRow.folded_id)
            .where(PrincipalRow.kind.in_(list(kinds)), end > within[0], end < within[1])
            .where(or_(given_at.is_(None), given_at <= given_before))
        )
        rows = self.session.execute(query.order_by(end, AssignmentRow.id).limit(limit))
        return [(row, kind) for row, kind in rows]

    def count_ending_at(self, audience_ids: Collection[str], within: timedelta) -> dict[str, int]:
        """By audience, how many assignments at exactly it end within that time; some have none."""
        row, now = AssignmentRow, self._clock()
        query = select(row.audience_id, func.count()).where(row.audience_id.in_(audience_ids))
        query = query.where(row.expires_at > now, row.expires_at < now + within)
        found = self.session.execute(query.group_by(row.audience_id))
        return {audience: number for audience, number in found if audience is not None}

    def users_inheriting(self, role: str) -> set[str]:
        """The ids of the users who hold it through a group or a trusted issuer."""
        user, given = select(UserRow.id), ProviderRoleRow.role_name
        queries = (
            user.select_from(held_roles.THROUGH_GROUPS).where(AssignmentRow.role_name == role),
            user.select_from(held_roles.THROUGH_ISSUERS).where(given == role),
        )
        return {each for query in queries for each in self.session.scalars(query)}

    def is_group(self, folded_id: str) -> bool:
        return self.has(GroupRow.folded_id == folded_id)

    def is_self_registered(self, folded_id: str) -> bool:
        """Whether the principal is a client that no administrator made."""
        query = select(ClientRow.registered_by).where(ClientRow.folded_id == folded_id)
        return self.session.scalar(query) not in {None, RegisteredBy.ADMIN}
