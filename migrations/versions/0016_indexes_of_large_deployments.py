"""Indexes for the people in a group at a trusted issuer, and for users by address."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_index("ix_identity_groups_group", "identity_groups", ["group", "identity_id"])
    op.create_index("ix_users_email", "users", [sa.text("lower(email)")])
