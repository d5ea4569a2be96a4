"""Tokens that are bound to a key of the client (RFC 9449)."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    off = {"nullable": False, "server_default": sa.false()}
    op.add_column("audiences", sa.Column("require_dpop", sa.Boolean(), **off))
    op.add_column("clients", sa.Column("dpop_bound_access_tokens", sa.Boolean(), **off))
    op.add_column("refresh_families", sa.Column("jkt", sa.String(43), nullable=True))
    op.add_column("authorization_codes", sa.Column("dpop_jkt", sa.String(43), nullable=True))
    op.add_column("device_codes", sa.Column("dpop_jkt", sa.String(43), nullable=True))
