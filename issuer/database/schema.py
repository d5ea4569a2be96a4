"""Which schema the database has. `issuer.database.migrations` changes it.

Only commands that change the schema import that: Alembic takes 12 MB and a sixth of a second,
which a server does not need.
"""

from collections.abc import Sequence

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from issuer.database.database import Database
from issuer.errors import ConfigurationError

# The newest in `migrations/`: what this program is written for.
REVISION = "0001"
# Every schema of the issuer has this table; other applications have an `alembic_version` as well.
_OURS = "change_counter"
_MAX_NAMED = 5


def require_current_schema(database: Database) -> None:
    """`ConfigurationError` unless the schema is exactly the one this program knows."""
    current = current_revision(database)
    if current == REVISION:
        return
    if current is None:
        raise ConfigurationError(
            f"The database ({database.safe_url}) is empty: run `issuer init` first."
        )
    if current > REVISION:
        raise newer_schema()
    raise ConfigurationError("The database schema is out of date: run `issuer migrate` first.")


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
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found
    except (DBAPIError, PoolTimeout) as error:
        cause = database.cause(error)
        raise ConfigurationError(
            f"Cannot open the database ({database.safe_url}): {cause}."
        ) from None


def _another_application(database: Database, tables: Sequence[str]) -> ConfigurationError:
    named = ", ".join(sorted(tables)[:_MAX_NAMED])
    more = f" and {len(tables) - _MAX_NAMED} more" if len(tables) > _MAX_NAMED else ""
    return ConfigurationError(
        f"The database ({database.safe_url}) belongs to another application, whose tables are"
        f" {named}{more}: name a database of its own for the issuer."
    )


def newer_schema() -> ConfigurationError:
    """The error for a revision that this program does not know."""
    return ConfigurationError(
        "The database schema is newer than this issuer: upgrade the issuer, not the database."
    )
