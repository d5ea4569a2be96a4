"""Messages to other servers; which clients are told of the end of a session, and where."""

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.add_column("clients", sa.Column("backchannel_logout_uri", sa.String(1024)))
    op.add_column(
        "clients",
        sa.Column(
            "backchannel_logout_session_required",
            sa.Boolean(),
            server_default=sa.false(),
            nullable=False,
        ),
    )
    op.add_column("sessions", sa.Column("provider_sign_out", sa.Text()))
    op.create_table(
        "session_clients",
        sa.Column("session_id", sa.String(40), nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("audience_id", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["session_id"],
            ["sessions.id"],
            name=op.f("fk_session_clients_session_id_sessions"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("session_id", "client_id", name=op.f("pk_session_clients")),
    )
    op.create_table(
        "deliveries",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("recipient", sa.String(255), nullable=False),
        sa.Column("message", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_of", "deliveries", ["kind", "recipient", "id"])
    op.create_table(
        "delivery_recipients",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("recipient", sa.String(255), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True)),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False),
        sa.Column("last_success_at", sa.DateTime(timezone=True)),
        sa.Column("last_failure_at", sa.DateTime(timezone=True)),
        sa.Column("last_failure", sa.Text()),
        sa.PrimaryKeyConstraint("kind", "recipient", name=op.f("pk_delivery_recipients")),
    )
    op.create_index(op.f("ix_delivery_recipients_due_at"), "delivery_recipients", ["due_at"])
