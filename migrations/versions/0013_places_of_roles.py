"""An index for where roles are assigned, however many hold them."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index(
        "ix_assignments_role_name_audience_id", "assignments", ["role_name", "audience_id"]
    )
