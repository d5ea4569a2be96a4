"""When each client, user and role was last used, and why a role was assigned."""

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
_COMPARED = sa.String(128).with_variant(sa.String(128, collation="C"), "postgresql")


def upgrade() -> None:
    op.create_table(
        "used_roles",
        sa.Column("role_name", _COMPARED, nullable=False),
        sa.Column("day", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["role_name"],
            ["roles.name"],
            name=op.f("fk_used_roles_role_name_roles"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("role_name", name=op.f("pk_used_roles")),
    )
    op.create_index("ix_used_scopes_subject", "used_scopes", ["subject", "day"])
    op.create_index("ix_used_scopes_client_id", "used_scopes", ["client_id", "day"])
    op.add_column("assignments", sa.Column("reason", sa.Text()))
