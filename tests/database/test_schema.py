"""The schema that a server requires."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from issuer.database import Database, migrations
from issuer.database.deployment import REVISION
from issuer.database.migrations import _config, known_revisions
from issuer.database.tables import Base


def test_the_required_schema_is_the_newest():
    assert ScriptDirectory.from_config(_config()).get_heads() == [REVISION]


def test_revisions_are_in_the_order_of_their_names():
    """A newer revision is distinguished from an older one by its name."""
    older = known_revisions() - {None, REVISION}
    assert all(revision < REVISION for revision in older)


def test_the_migrations_make_the_tables_that_the_models_describe(database_url: str):
    database = Database(database_url)
    migrations.upgrade(database)
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.dispose()
