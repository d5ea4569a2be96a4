"""Where clients may act for people, which people allowed it, and other authorization servers."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("clients", sa.Column("external_audiences", sa.JSON(), nullable=True))
    op.create_table(
        "client_act_rules",
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("from_audience", sa.String(255), nullable=False),
        sa.Column("to_audience", sa.String(255), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_client_act_rules_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["from_audience"],
            ["audiences.id"],
            name=op.f("fk_client_act_rules_from_audience_audiences"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["to_audience"],
            ["audiences.id"],
            name=op.f("fk_client_act_rules_to_audience_audiences"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "client_id", "from_audience", "to_audience", name=op.f("pk_client_act_rules")
        ),
    )
    op.create_index("ix_client_act_rules_from", "client_act_rules", ["from_audience", "client_id"])
    op.create_index(op.f("ix_client_act_rules_to_audience"), "client_act_rules", ["to_audience"])
    op.create_table(
        "consent_actors",
        sa.Column("id", _ID, autoincrement=True, nullable=False),
        sa.Column("consent_id", _ID, nullable=False),
        sa.Column("client_id", sa.String(255), nullable=False),
        sa.Column("audience_id", sa.String(255), nullable=True),
        sa.Column("external_issuer", sa.String(255), nullable=True),
        sa.ForeignKeyConstraint(
            ["consent_id"],
            ["consents.id"],
            name=op.f("fk_consent_actors_consent_id_consents"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["client_id"],
            ["clients.client_id"],
            name=op.f("fk_consent_actors_client_id_clients"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["audience_id"],
            ["audiences.id"],
            name=op.f("fk_consent_actors_audience_id_audiences"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consent_actors")),
    )
    for column in ("consent_id", "client_id", "audience_id"):
        op.create_index(op.f(f"ix_consent_actors_{column}"), "consent_actors", [column])
