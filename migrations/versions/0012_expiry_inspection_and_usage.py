"""Rights that expire, what an AgentOS consists of, which rights are used, and refusals."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def _compared(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _deleted_with(table: str, column: str, other: str, of: str = "id") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.{of}"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("audiences", sa.Column("url", sa.String(1024), nullable=True))
    for column, kind in (
        ("given_by", sa.String(255)),
        ("given_as", sa.String(8)),
        ("given_at", sa.DateTime(timezone=True)),
        ("expires_at", sa.DateTime(timezone=True)),
    ):
        op.add_column("assignments", sa.Column(column, kind, nullable=True))
    op.create_index(op.f("ix_assignments_expires_at"), "assignments", ["expires_at"])
    op.create_table(
        "client_scope_expiries",
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("scope", sa.String(255), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        _deleted_with("client_scope_expiries", "client_id", "clients", "client_id"),
        sa.PrimaryKeyConstraint("client_id", "scope", name=op.f("pk_client_scope_expiries")),
    )
    op.create_index(
        op.f("ix_client_scope_expiries_expires_at"), "client_scope_expiries", ["expires_at"]
    )
    op.create_table(
        "inspections",
        sa.Column("audience_id", _compared(255), nullable=False),
        sa.Column("inspected_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.String(1024), nullable=False),
        sa.Column("components", sa.JSON(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        _deleted_with("inspections", "audience_id", "audiences"),
        sa.PrimaryKeyConstraint("audience_id", name=op.f("pk_inspections")),
    )
    op.create_table(
        "used_scopes",
        sa.Column("audience_id", _compared(255), nullable=False),
        sa.Column("subject", _compared(255), nullable=False),
        sa.Column("client_id", _compared(255), nullable=False),
        sa.Column("scope", sa.String(255), nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("allowed", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        _deleted_with("used_scopes", "audience_id", "audiences"),
        sa.PrimaryKeyConstraint(
            "audience_id", "subject", "client_id", "scope", "day", name=op.f("pk_used_scopes")
        ),
    )
    op.create_index(op.f("ix_used_scopes_day"), "used_scopes", ["day"])
    refused = sa.text("outcome = 'refused'")
    op.create_index(
        "ix_audit_events_refused",
        "audit_events",
        ["id"],
        sqlite_where=refused,
        postgresql_where=refused,
    )
