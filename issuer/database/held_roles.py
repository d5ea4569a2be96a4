"""Who holds which roles: assigned, through groups, and through trusted issuers.

Lists and counts ask here, so that what has ended counts nowhere. How fast the statements are does
not depend on what the planner knows of the tables: a subquery for each row never becomes a join.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import join

from issuer.database.tables import (
    AssignmentRow,
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

# Users with the groups of which they are members.
IN_GROUPS = join(UserRow, GroupMemberRow, GroupMemberRow.user_id == UserRow.id).join(
    GroupRow, GroupRow.id == GroupMemberRow.group_id
)
# Users with what is assigned to their groups.
THROUGH_GROUPS = IN_GROUPS.join(AssignmentRow, AssignmentRow.folded_id == GroupRow.folded_id)
# Users with what trusted issuers give them; a disabled one gives nothing.
THROUGH_ISSUERS = (
    join(UserRow, IdentityRow, IdentityRow.user_id == UserRow.id)
    .join(IdentityGroupRow, IdentityGroupRow.identity_id == IdentityRow.id)
    .join(
        ProviderRoleRow,
        and_(
            ProviderRoleRow.issuer_id == IdentityRow.issuer_id,
            ProviderRoleRow.group == IdentityGroupRow.group,
        ),
    )
    .join(
        TrustedIssuerRow,
        and_(TrustedIssuerRow.id == IdentityRow.issuer_id, TrustedIssuerRow.disabled.is_(False)),
    )
)

LASTS = AssignmentRow.expires_at.is_(None)
Condition: TypeAlias = Callable[[type[AssignmentRow] | type[ProviderRoleRow]], ColumnElement[bool]]


@dataclass(frozen=True, slots=True)
class Which:
    """Which roles are meant: those for which one of the conditions `by_index` is true.

    Each has an index. `as_filter` is the same without one, for the few roles of one principal.
    """

    by_index: Sequence[Condition]
    as_filter: Condition


def of_role(name: str) -> Which:
    """Wherever the role counts."""

    def is_of_role(row: Any) -> Any:
        return row.role_name == name

    return Which((is_of_role,), is_of_role)


def counting_at(audience_id: str) -> Which:
    """Any role at the audience or everywhere."""
    return Which(
        (lambda row: row.audience_id == audience_id, lambda row: row.audience_id.is_(None)),
        lambda row: func.coalesce(row.audience_id, audience_id) == audience_id,
    )


def is_live(now: datetime) -> ColumnElement[bool]:
    """Whether an assignment has not ended."""
    return or_(LASTS, AssignmentRow.expires_at > now)


def roles_of(folded_ids: Sequence[str], live: ColumnElement[bool]) -> tuple[Select[str, str], ...]:
    """Folded id and role of what these principals hold: a query for each way."""
    user, assigned, given = UserRow.folded_id, AssignmentRow, ProviderRoleRow.role_name
    return (
        select(assigned.folded_id, assigned.role_name).where(
            assigned.folded_id.in_(folded_ids), live
        ),
        select(user, assigned.role_name)
        .select_from(THROUGH_GROUPS)
        .where(user.in_(folded_ids), live),
        select(user, given).select_from(THROUGH_ISSUERS).where(user.in_(folded_ids)),
    )


def holds(which: Which, live: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether the principal of a row of `principals` holds such a role in any way."""
    is_user = UserRow.folded_id == PrincipalRow.folded_id
    assigned, given = which.as_filter(AssignmentRow), which.as_filter(ProviderRoleRow)
    direct = select(AssignmentRow.id).where(AssignmentRow.folded_id == PrincipalRow.folded_id)
    in_group = select(AssignmentRow.id).select_from(THROUGH_GROUPS).where(is_user)
    at_issuer = select(ProviderRoleRow.id).select_from(THROUGH_ISSUERS).where(is_user)
    return or_(
        has_row(direct.where(assigned, live).correlate(PrincipalRow)),
        has_row(in_group.where(assigned, live).correlate(PrincipalRow)),
        has_row(at_issuer.where(given).correlate(PrincipalRow)),
    )


def is_assigned(which: Which, live: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether such a role is assigned to the group of a row of `groups`."""
    query = select(AssignmentRow.id).where(AssignmentRow.folded_id == GroupRow.folded_id)
    query = query.where(which.as_filter(AssignmentRow), live)
    return has_row(query.correlate(GroupRow))


def is_held(live: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether a client or user holds the role of a row of `roles` in any way."""
    members = select(GroupMemberRow.user_id).join(GroupRow, GroupRow.id == GroupMemberRow.group_id)
    has_member = has_row(
        members.where(GroupRow.folded_id == AssignmentRow.folded_id).correlate(AssignmentRow)
    )
    direct = select(AssignmentRow.id).where(AssignmentRow.role_name == RoleRow.name, live)
    people = (
        select(IdentityRow.user_id)
        .join(IdentityGroupRow, IdentityGroupRow.identity_id == IdentityRow.id)
        .join(TrustedIssuerRow, TrustedIssuerRow.id == IdentityRow.issuer_id)
        .where(TrustedIssuerRow.disabled.is_(False))
        .where(IdentityGroupRow.group == ProviderRoleRow.group)
        .where(func.coalesce(IdentityRow.issuer_id, "") == ProviderRoleRow.issuer_id)
    )
    given = select(ProviderRoleRow.id).where(ProviderRoleRow.role_name == RoleRow.name)
    return or_(
        has_row(direct.where(or_(~is_group(), has_member)).correlate(RoleRow)),
        has_row(given.where(has_row(people.correlate(ProviderRoleRow))).correlate(RoleRow)),
    )


def is_group() -> ColumnElement[bool]:
    """Whether the holder of a row of `assignments` is a group."""
    group = select(GroupRow.id).where(GroupRow.folded_id == AssignmentRow.folded_id)
    return has_row(group.correlate(AssignmentRow))


def has_row(query: Select[Any]) -> ColumnElement[bool]:
    """Whether a query that refers to the outer row finds one; `EXISTS` could become a join."""
    return query.limit(1).scalar_subquery().is_not(None)
