"""Groups, and people who sign in with an account of another issuer."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

_SERIAL = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _compared(length: int) -> sa.String:
    return sa.String(length).with_variant(sa.String(length, collation="C"), "postgresql")


def _deleted_with(table: str, column: str, other: str, of: str = "id") -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_{column}_{other}")
    return sa.ForeignKeyConstraint([column], [f"{other}.{of}"], name=name, ondelete="CASCADE")


def upgrade() -> None:
    op.add_column("users", sa.Column("external_id", sa.String(255), nullable=True))
    op.create_index(op.f("ix_users_external_id"), "users", ["external_id"])
    is_verified = sa.text("verified_email IS NOT NULL")
    op.create_index(
        "ix_users_verified_email",
        "users",
        [sa.text("lower(verified_email)")],
        sqlite_where=is_verified,
        postgresql_where=is_verified,
    )
    op.add_column("users", sa.Column("scim", sa.JSON(), nullable=True))
    op.add_column("trusted_issuers", sa.Column("sign_in", sa.JSON(), nullable=True))
    op.add_column("trusted_issuers", sa.Column("sealed_secret", sa.LargeBinary(), nullable=True))
    op.add_column("sessions", sa.Column("identity_id", sa.String(40), nullable=True))
    op.add_column("sessions", sa.Column("provider_session", sa.String(255), nullable=True))
    op.create_index(op.f("ix_sessions_identity_id"), "sessions", ["identity_id"])
    op.create_table(
        "groups",
        sa.Column("id", sa.String(128), nullable=False),
        sa.Column("folded_id", _compared(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("folded_name", _compared(1024), nullable=False),
        sa.Column("description", sa.String(255), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        _deleted_with("groups", "folded_id", "principals", "folded_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("folded_id", name=op.f("uq_groups_folded_id")),
        sa.UniqueConstraint("folded_name", name=op.f("uq_groups_folded_name")),
    )
    op.create_index(op.f("ix_groups_external_id"), "groups", ["external_id"])
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(128), nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        _deleted_with("group_members", "group_id", "groups"),
        _deleted_with("group_members", "user_id", "users"),
        sa.PrimaryKeyConstraint("group_id", "user_id", name=op.f("pk_group_members")),
    )
    op.create_index(op.f("ix_group_members_user_id"), "group_members", ["user_id"])
    op.create_table(
        "provider_roles",
        sa.Column("id", _SERIAL, autoincrement=True, nullable=False),
        sa.Column("issuer_id", _compared(128), nullable=False),
        sa.Column("group", sa.String(255), nullable=False),
        sa.Column("role_name", _compared(128), nullable=False),
        sa.Column("audience_id", _compared(255), nullable=True),
        _deleted_with("provider_roles", "issuer_id", "trusted_issuers"),
        sa.ForeignKeyConstraint(
            ["role_name"], ["roles.name"], name=op.f("fk_provider_roles_role_name_roles")
        ),
        sa.ForeignKeyConstraint(
            ["audience_id"], ["audiences.id"], name=op.f("fk_provider_roles_audience_id_audiences")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_roles")),
    )
    for column in ("role_name", "audience_id"):
        op.create_index(op.f(f"ix_provider_roles_{column}"), "provider_roles", [column])
    op.create_index("ix_provider_roles_of", "provider_roles", ["issuer_id", "group"])
    op.create_table(
        "identities",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("user_id", sa.String(128), nullable=False),
        sa.Column("issuer_id", _compared(128), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("given_by", sa.String(255), nullable=True),
        sa.Column("given_as", sa.String(8), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        _deleted_with("identities", "user_id", "users"),
        _deleted_with("identities", "issuer_id", "trusted_issuers"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_identities")),
    )
    op.create_index(op.f("ix_identities_user_id"), "identities", ["user_id"])
    op.create_index("ix_identities_of", "identities", ["issuer_id", "subject"], unique=True)
    op.create_table(
        "identity_groups",
        sa.Column("identity_id", sa.String(40), nullable=False),
        sa.Column("group", sa.String(255), nullable=False),
        _deleted_with("identity_groups", "identity_id", "identities"),
        sa.PrimaryKeyConstraint("identity_id", "group", name=op.f("pk_identity_groups")),
    )
