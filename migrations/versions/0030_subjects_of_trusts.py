"""Which clients trust a subject of another issuer: they are found by it (RFC 7523 §2.1)."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"

_CLIENTS = sa.table("clients", sa.column("client_id", sa.String), sa.column("trusts", sa.JSON))
_SUBJECTS = sa.table("client_trust_subjects", sa.column("client_id"), sa.column("subject"))
_AT_ONCE = 1_000


def upgrade() -> None:
    op.create_table(
        "client_trust_subjects",
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("subject", sa.String(512), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_client_trust_subjects_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("client_id", "subject", name=op.f("pk_client_trust_subjects")),
    )
    connection = op.get_bind()
    has_some = sa.cast(_CLIENTS.c.trusts, sa.Text) != "[]"
    clients = connection.execute(sa.select(_CLIENTS).where(has_some)).all()
    rows = [
        {"client_id": client_id, "subject": subject}
        for client_id, trusts in clients
        for subject in {trust["subject"] for trust in trusts or ()}
    ]
    for first in range(0, len(rows), _AT_ONCE):
        connection.execute(sa.insert(_SUBJECTS), rows[first : first + _AT_ONCE])
    op.create_index(
        "ix_client_trust_subjects_subject", "client_trust_subjects", ["subject", "client_id"]
    )
