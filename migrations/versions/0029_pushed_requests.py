"""Clients that must push their authorization requests (RFC 9126), and those without PKCE."""

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    for name, default in (
        ("require_pushed_authorization_requests", sa.false()),
        ("require_pkce", sa.true()),
    ):
        column = sa.Column(name, sa.Boolean(), server_default=default, nullable=False)
        op.add_column("clients", column)
