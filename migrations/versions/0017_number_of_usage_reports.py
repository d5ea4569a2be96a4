"""How many reports of used scopes came for an audience on a day."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    reports = sa.Column("reports", sa.Integer, nullable=False, server_default="0")
    op.add_column("used_scopes", reports)
