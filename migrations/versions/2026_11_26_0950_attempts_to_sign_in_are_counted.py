"""Attempts to sign in are counted."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "sign_in_tries",
        sa.Column("mark", sa.LargeBinary(), nullable=False),
        *counted_tries(),
        sa.PrimaryKeyConstraint("mark", name=op.f("pk_sign_in_tries")),
    )
    op.create_index(op.f("ix_sign_in_tries_tried_at"), "sign_in_tries", ["tried_at"])
    op.create_table(
        "known_addresses",
        sa.Column("user_id", sa.String(length=128), nullable=False),
        sa.Column("address_mark", sa.LargeBinary(), nullable=False),
        sa.Column("succeeded_at", sa.DateTime(timezone=True), nullable=False),
        *counted_tries(),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_known_addresses_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "address_mark", name=op.f("pk_known_addresses")),
    )
    op.create_index(op.f("ix_known_addresses_succeeded_at"), "known_addresses", ["succeeded_at"])


def counted_tries() -> list[sa.Column]:
    return [
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("spent_until", sa.DateTime(timezone=True), nullable=False),
    ]
