"""Redirect URIs of consents."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("consents", sa.Column("redirects", sa.JSON(), nullable=True))
