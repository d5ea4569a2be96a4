"""Which schema the database has. `issuer.database.migrations` changes it.

Only commands that change the schema import that: Alembic takes 12 MB and a sixth of a second,
which a server does not need.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from issuer.database.causes import cure_of
from issuer.database.database import Database
from issuer.database.tables import SchemaCompatibilityRow
from issuer.errors import ConfigurationError

# The newest in `migrations/`: what this program is written for.
REVISION = "0006"
# Every schema of the issuer has this table; other applications have an `alembic_version` as well.
_OURS = "change_counter"
_MAX_NAMED = 5


def require_compatible_schema(database: Database) -> None:
    """`ConfigurationError` unless this program works with the schema: its own, or a compatible one.

    A newer schema says which program is the oldest that works with it.
    """
    current = current_revision(database)
    if current == REVISION:
        return
    if current is None:
        raise ConfigurationError(
            f"The database ({database.safe_url}) is empty: run `issuer init` first."
        )
    if current < REVISION:
        raise ConfigurationError("The database schema is out of date: run `issuer migrate` first.")
    if (oldest := oldest_compatible(database)) > REVISION:
        raise ConfigurationError(
            f"The database schema ({current}) is newer than this issuer, which knows {REVISION};"
            f" it needs an issuer that knows {oldest}: upgrade the issuer, not the database."
        )


def is_empty(database: Database) -> bool:
    """Whether the database has no tables."""
    return current_revision(database) is None


def current_revision(database: Database) -> str | None:
    """The revision the database is at; None if it is empty.

    `ConfigurationError` if it cannot be opened, or holds only tables of another application.
    """
    try:
        with database.engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            if _OURS not in tables:
                if tables:
                    raise _another_application(database, tables)
                return None
            return revision_in(connection)
    except (DBAPIError, PoolTimeout) as error:
        cause = database.cause(error)
        raise ConfigurationError(
            f"Cannot open the database ({database.safe_url}): {cause}. {cure_of(cause)}."
        ) from None


def revision_in(connection: Connection) -> str | None:
    """The revision as a transaction sees it, in a database of the issuer."""
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


def _another_application(database: Database, tables: Sequence[str]) -> ConfigurationError:
    named = ", ".join(sorted(tables)[:_MAX_NAMED])
    more = f" and {len(tables) - _MAX_NAMED} more" if len(tables) > _MAX_NAMED else ""
    return ConfigurationError(
        f"The database ({database.safe_url}) belongs to another application, whose tables are"
        f" {named}{more}: name a database of its own for the issuer."
    )


def oldest_compatible(database: Database) -> str:
    """The oldest revision whose program works with the schema that the database has."""
    with database.reading() as session:
        return str(session.scalar(select(SchemaCompatibilityRow.oldest_revision)))
