"""Metadata documents of clients as they were last read."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.add_column("clients", sa.Column("document", sa.Text(), nullable=True))
    op.add_column(
        "clients", sa.Column("document_read_at", sa.DateTime(timezone=True), nullable=True)
    )
