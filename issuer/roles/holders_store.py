"""The holders of a role, or of any role at an audience, however few or many they are."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from issuer.database.held_roles import Which, holds, is_assigned
from issuer.database.store import in_parts
from issuer.database.tables import (
    AssignmentRow,
    GroupMemberRow,
    GroupRow,
    IdentityGroupRow,
    IdentityRow,
    PrincipalRow,
    ProviderRoleRow,
    TrustedIssuerRow,
)
from issuer.fields.ids import fold_id
from issuer.values import lazy_property

MANY = 10_000
_STREAMED = {"yield_per": 1_000}


class Live(Protocol):
    """A transaction, and which assignments have not ended."""

    session: Session

    @property
    def is_live(self) -> ColumnElement[bool]: ...


class Holders:
    """Principals of these `kinds` who hold such a role in any way, by their folded ids."""

    def __init__(self, live: Live, which: Which, *kinds: str) -> None:
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
        query = query.where(holds(self._which, self._live.is_live)).order_by(key)
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
        groups = select(GroupRow.id).where(is_assigned(self._which, self._live.is_live))
        member = GroupMemberRow
        for part in in_parts(self._stream(groups)):
            yield from self._stream(select(member.user_id).where(member.group_id.in_(part)))

    def _given(self) -> Iterator[str]:
        """By trusted issuers."""
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
        """Read as far as the caller goes."""
        return self._live.session.scalars(query, execution_options=_STREAMED)
