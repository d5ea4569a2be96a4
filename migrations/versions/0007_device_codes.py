"""Device authorization requests."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "device_codes",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_code", sa.LargeBinary(), nullable=False),
        sa.Column("request_id", sa.String(40), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("audience_id", sa.String(255), nullable=True),
        sa.Column("scopes", sa.JSON(), nullable=True),
        sa.Column("openid_scopes", sa.JSON(), nullable=False),
        sa.Column("address", sa.String(64), nullable=True),
        sa.Column("network", sa.String(64), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("interval", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_device_codes")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_codes_user_code")),
    )
    op.create_index("ix_device_codes_of", "device_codes", ["client_id", "network"])
    op.create_index(op.f("ix_device_codes_expires_at"), "device_codes", ["expires_at"])
