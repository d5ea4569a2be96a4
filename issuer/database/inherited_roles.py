"""Which assignments give something, and joins of users with roles not assigned to themselves."""

from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import join

from issuer.database.tables import (
    AssignmentRow,
    GroupMemberRow,
    GroupRow,
    IdentityGroupRow,
    IdentityRow,
    ProviderRoleRow,
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
        and_(
            TrustedIssuerRow.id == IdentityRow.issuer_id,
            TrustedIssuerRow.disabled.is_(False),
        ),
    )
)

LASTS = AssignmentRow.expires_at.is_(None)


def is_live(now: datetime) -> ColumnElement[bool]:
    """Whether an assignment has not ended."""
    return or_(LASTS, AssignmentRow.expires_at > now)
