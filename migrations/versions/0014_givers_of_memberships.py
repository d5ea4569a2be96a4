"""Who added a user to a group, and when."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    for column, kind in (
        ("given_by", sa.String(255)),
        ("given_as", sa.String(8)),
        ("given_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("group_members", sa.Column(column, kind, nullable=True))
