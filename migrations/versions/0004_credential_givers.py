"""Who gave users and clients the credentials with which they sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_WITH_ONE_GIVER = ("users", "invitations", "client_secrets", "trusted_issuers")


def upgrade() -> None:
    for table in _WITH_ONE_GIVER:
        op.add_column(table, sa.Column("given_by", sa.String(255), nullable=True))
        op.add_column(table, sa.Column("given_as", sa.String(8), nullable=True))
    op.add_column("clients", sa.Column("credentials_given", sa.JSON(), nullable=True))
