"""An audience may change its algorithm."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("audiences", sa.Column("previous_alg", sa.String(length=16), nullable=True))
    op.add_column(
        "audiences", sa.Column("alg_changes_at", sa.DateTime(timezone=True), nullable=True)
    )
