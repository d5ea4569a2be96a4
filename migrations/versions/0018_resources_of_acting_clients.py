"""At which resources elsewhere, and with which scopes, the consent page said that clients act."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("consent_actors", sa.Column("external_resource", sa.String(1024), nullable=True))
    op.add_column("consent_actors", sa.Column("external_scopes", sa.JSON(), nullable=True))
