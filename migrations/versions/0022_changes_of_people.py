"""Changes that concern people alone are counted apart: processes hold nothing of them in memory."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    column = sa.Column("of_people", sa.BigInteger(), nullable=False, server_default="0")
    op.add_column("change_counter", column)
