"""Clients that people stopped from acting for them."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "stopped_actors",
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"],
            ["users.id"],
            name=op.f("fk_stopped_actors_user_id_users"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_stopped_actors_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "client_id", name=op.f("pk_stopped_actors")),
    )
    op.create_index(op.f("ix_stopped_actors_client_id"), "stopped_actors", ["client_id"])
