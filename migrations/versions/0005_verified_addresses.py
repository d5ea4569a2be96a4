"""Verified e-mail addresses, and the type of the tokens of trusted issuers."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("users", sa.Column("verified_email", sa.String(254), nullable=True))
    op.add_column("invitations", sa.Column("verifies_email", sa.String(254), nullable=True))
    op.add_column("trusted_issuers", sa.Column("typ", sa.String(127), nullable=True))
