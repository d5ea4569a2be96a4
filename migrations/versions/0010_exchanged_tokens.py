"""Access tokens that were exchanged for others."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "exchanged_tokens",
        sa.Column("jti", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("audience_id", sa.String(255), nullable=False),
        sa.Column("sid", sa.String(40), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("subject_jti", sa.String(40), nullable=False),
        sa.Column("subject_client", sa.String(255), nullable=False),
        sa.Column("subject_audience", sa.String(255), nullable=False),
        sa.Column("subject_kid", sa.String(64), nullable=False),
        sa.Column("origin_client", sa.String(255), nullable=False),
        sa.Column("origin_audience", sa.String(255), nullable=False),
        sa.PrimaryKeyConstraint("jti", name=op.f("pk_exchanged_tokens")),
    )
    op.create_index("ix_exchanged_tokens_of", "exchanged_tokens", ["user_id", "client_id"])
    for column in ("expires_at", "subject_jti", "subject_client"):
        op.create_index(op.f(f"ix_exchanged_tokens_{column}"), "exchanged_tokens", [column])
