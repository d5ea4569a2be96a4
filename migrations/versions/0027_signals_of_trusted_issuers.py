"""Who disabled a user by a signal, what trusted issuers have sent, and sessions by their `sid`."""

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.add_column("users", sa.Column("disabled_by", sa.JSON(), nullable=True))
    op.add_column("trusted_issuers", sa.Column("last_signals", sa.JSON(), nullable=True))
    op.create_index("ix_sessions_provider_session", "sessions", ["provider_session"])
