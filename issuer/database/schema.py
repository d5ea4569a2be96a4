"""Which schema the database has. To bring it to another takes `issuer.database.migrations`.

That is imported by whoever changes the schema only: Alembic takes 12 MB and a sixth of a second,
which a server need not spend.
"""

from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError

from issuer.database.database import Database
from issuer.errors import ConfigurationError

# The newest in `migrations/`: what this program is written for.
REVISION = "0001"


def require_current_schema(database: Database) -> None:
    """`ConfigurationError` unless the schema is exactly the one this program knows."""
    current = current_revision(database)
    if current == REVISION:
        return
    if current is None:
        raise ConfigurationError("The database is empty: run `issuer init` first.")
    if current > REVISION:
        raise newer_schema()
    raise ConfigurationError("The database schema is out of date: run `issuer migrate` first.")


def is_empty(database: Database) -> bool:
    """Whether nothing of ours has ever been put there."""
    return current_revision(database) is None


def current_revision(database: Database) -> str | None:
    """The revision the database is at; None if it is empty."""
    try:
        with database.engine.connect() as connection:
            if not inspect(connection).has_table("alembic_version"):
                return None
            found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
            return found
    except DBAPIError:
        raise ConfigurationError(f"The database {database.safe_url} cannot be opened.") from None


def newer_schema() -> ConfigurationError:
    """What to say of a revision that this program does not know."""
    return ConfigurationError(
        "The database schema is newer than this issuer: upgrade the issuer, not the database."
    )
