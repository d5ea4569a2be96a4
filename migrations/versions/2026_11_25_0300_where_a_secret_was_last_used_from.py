"""Where a secret was last used from."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column("client_secrets", sa.Column("last_used_from", sa.String(length=64)))
