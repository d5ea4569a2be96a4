"""Revocations of lost rights leave tokens for the issuer's own audience out, and may wait."""

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    table = "revoked_principals"
    for column, kind in (
        ("own_not_after", sa.DateTime(timezone=True)),
        ("own_change", sa.BigInteger()),
        ("again_at", sa.DateTime(timezone=True)),
    ):
        op.add_column(table, sa.Column(column, kind, nullable=True))
    op.create_index(op.f(f"ix_{table}_again_at"), table, ["again_at"])
