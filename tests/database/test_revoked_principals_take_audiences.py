"""A migration of a house in use: what is revoked stays so."""

from datetime import UTC, datetime

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect

from issuer.database import Database, migrations
from issuer.database.tables import Base, RevokedPrincipalRow

T = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def before(database_url: str) -> Database:
    """A database of the revision before."""
    database = Database(database_url)
    config = migrations._config()
    with database.engine.connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "0009")
    yield database
    database.dispose()


def test_what_is_revoked_stays_so_and_long_ids_fit(before: Database):
    longest = "a" * 255
    with before.transaction() as session:
        session.add(principal("client_id", "web"))
    migrations.upgrade(before)
    with before.transaction() as session:
        session.add(principal("audience", longest))
    with before.reading() as session:
        found = {(row.kind, row.id, row.not_after) for row in session.query(RevokedPrincipalRow)}
    assert found == {("client_id", "web", T), ("audience", longest, T)}


def test_the_table_is_as_the_models_say(before: Database):
    indexes = indexes_of(before)
    migrations.upgrade(before)
    assert indexes_of(before) == indexes
    with before.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def principal(kind: str, name: str) -> RevokedPrincipalRow:
    return RevokedPrincipalRow(kind=kind, id=name, not_after=T, expires_at=T, change=1)


def indexes_of(database: Database) -> set[str]:
    return {each["name"] for each in inspect(database.engine).get_indexes("revoked_principals")}
