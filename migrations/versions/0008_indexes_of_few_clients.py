"""Finding the few clients with rights at the issuer, and with trusts."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    _index_where("ix_clients_rights_here", """CAST(scopes AS TEXT) LIKE '%"issuer:%'""")
    _index_where("ix_clients_trusts", "CAST(trusts AS TEXT) != '[]'")


def _index_where(name: str, condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, "clients", ["client_id"], sqlite_where=where, postgresql_where=where)
