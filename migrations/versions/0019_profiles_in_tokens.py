"""Audiences whose tokens have name and address of the user."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column(
        "audiences",
        sa.Column("include_profile", sa.Boolean(), server_default=sa.false(), nullable=False),
    )
