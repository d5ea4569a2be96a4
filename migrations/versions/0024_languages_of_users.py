"""The language in which a user reads messages."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.add_column("users", sa.Column("language", sa.String(8), nullable=True))
