"""How long followers may keep a key set."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "key_set_promise",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kept_for", sa.Integer(), nullable=False),
        sa.Column("kept_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_set_promise")),
    )
