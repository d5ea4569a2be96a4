"""Which users were made by the trusted issuer of their account, as far as the audit log has it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.add_column("identities", sa.Column("made_user", sa.Boolean(), nullable=True))
    identities = sa.table(
        "identities", sa.column("id"), sa.column("user_id"), sa.column("made_user")
    )
    events = sa.table(
        "audit_events", sa.column("target"), sa.column("action"), sa.column("details", sa.JSON())
    )
    made = sa.exists().where(
        events.c.target == identities.c.user_id,
        events.c.action == "identity.provisioned",
        events.c.details["identity"].as_string() == identities.c.id,
    )
    op.execute(identities.update().where(made).values(made_user=sa.true()))
