"""When a key may sign at the earliest."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("ready_at", sa.DateTime(timezone=True), nullable=True))
