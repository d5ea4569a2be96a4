"""What was used at an audience on a day is found without reading its other days."""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.create_index("ix_used_scopes_day_audience_id", "used_scopes", ["day", "audience_id"])
    # It may not have been built yet: PostgreSQL builds indexes after the last migration.
    op.drop_index("ix_used_scopes_day", "used_scopes", if_exists=True)
