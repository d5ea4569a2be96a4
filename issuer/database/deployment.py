"""Which issuer a database belongs to, its schema, its clock, and whether it accepts writes.

`issuer.database.migrations` changes the schema. Only commands that change it import that: Alembic
takes 12 MB and a sixth of a second, which a server does not need.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, func, inspect, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from issuer.clock import Clock
from issuer.database.database import Database
from issuer.database.outage import cure_of
from issuer.database.tables import DeploymentRow, Instant, SchemaCompatibilityRow
from issuer.errors import ConfigurationError, Unavailable
from issuer.vocabulary import MAX_CLOCK_SKEW

NOT_INITIALISED = (
    "check ISSUER_DATABASE_URL and ISSUER_DATA_DIR; only for a new issuer, run `issuer init`."
)
_ONLY = 1
# The newest in `migrations/`: what this program is written for.
REVISION = "0030"
# Every schema of the issuer has this table; other applications have an `alembic_version` as well.
_OURS = "change_counter"
_MAX_NAMED = 5


def ensure_issuer(session: Session, issuer: str, now: datetime) -> None:
    """The database belongs to `issuer`; `ConfigurationError` if it belongs to another."""
    if session.get(DeploymentRow, _ONLY) is None:
        session.add(DeploymentRow(id=_ONLY, issuer=issuer, written_at=now))
        session.flush()
    require_issuer(session, issuer)


def require_issuer(session: Session, issuer: str) -> None:
    """`ConfigurationError` unless `issuer` is the `iss` of this database's tokens."""
    if (recorded := recorded_issuer(session)) != issuer:
        raise ConfigurationError(
            f"ISSUER_URL is {issuer}, but this database belongs to {recorded}, and all its tokens"
            f" would be refused: set ISSUER_URL={recorded}, or move the database with"
            f" `ISSUER_URL={issuer} issuer admin change-url`."
        )


def require_same_issuer(database: Database, issuer: str) -> None:
    """`ConfigurationError` if the database was moved to another URL while the server runs."""
    with database.reading() as session:
        recorded = recorded_issuer(session)
    if recorded != issuer:
        raise ConfigurationError(
            f"The database was moved to {recorded} while this server ran with ISSUER_URL={issuer}:"
            f" restart it with ISSUER_URL={recorded}."
        )


def recorded_issuer(session: Session) -> str:
    """The issuer that the database belongs to; `ConfigurationError` before `issuer init`."""
    if (row := session.get(DeploymentRow, _ONLY)) is None:
        raise ConfigurationError(f"The database is not initialised: {NOT_INITIALISED}")
    return row.issuer


def change_issuer(session: Session, issuer: str) -> None:
    """The database belongs to `issuer` from now on."""
    session.execute(update(DeploymentRow).values(issuer=issuer))


def require_writable(database: Database, now: datetime) -> None:
    """`DatabaseUnavailable` if nothing can be written. Commits: a full disk may fail only then."""
    with database.transaction() as session:
        session.execute(update(DeploymentRow).values(written_at=now))


def require_clock(database: Database, clock: Clock) -> None:
    """`Unavailable` if this machine's clock is more than half a minute from the database's.

    So those of two processes differ by at most `MAX_CLOCK_SKEW`. Later or earlier times in rows
    would mislead other processes. SQLite has the clock of this machine.
    """
    if not database.is_sqlite:
        with database.reading() as session:
            require_clock_within(session, clock)


def require_clock_within(session: Session, clock: Clock) -> None:
    """Check the clock like `require_clock`, in the transaction of `session`."""
    if session.connection().dialect.name != "sqlite":
        asked_at = clock()
        shown = session.scalars(select(func.clock_timestamp(type_=Instant()))).one()
        require_agreement(clock, shown, asked_at)


def require_agreement(clock: Clock, shown: datetime, asked_at: datetime) -> None:
    """`Unavailable` if the time that the database has `shown` does not agree with `asked_at`."""
    ahead = clock.ahead_of(shown, asked_at)
    if abs(ahead) > MAX_CLOCK_SKEW / 2:
        direction = "ahead of" if ahead > timedelta(0) else "behind"
        raise Unavailable(
            f"The clock of this machine is {abs(ahead).total_seconds():.0f} s {direction} the"
            " database's: synchronise them."
        )


def require_compatible_schema(database: Database) -> None:
    """`ConfigurationError` unless this program works with the schema, its own or compatible."""
    if (current := current_revision(database)) == REVISION:
        return
    if current is None:
        raise ConfigurationError(f"The database ({database.safe_url}) is empty: {NOT_INITIALISED}")
    if current < REVISION:
        raise ConfigurationError("The database schema is out of date: run `issuer migrate` first.")
    with database.reading() as session:
        oldest = str(session.scalar(select(SchemaCompatibilityRow.oldest_revision)))
    if oldest > REVISION:
        raise ConfigurationError(
            f"The database schema ({current}) is newer than this issuer, which knows {REVISION};"
            f" it needs an issuer that knows {oldest}: upgrade the issuer, not the database."
        )


def current_revision(database: Database) -> str | None:
    """The revision, None if empty; `ConfigurationError` if it cannot be opened, or is not ours."""
    try:
        with database.engine.connect() as connection:
            tables = inspect(connection).get_table_names()
            if _OURS in tables:
                return revision_in(connection)
    except (DBAPIError, PoolTimeout) as error:
        cause = database.cause(error)
        raise ConfigurationError(
            f"Cannot open the database ({database.safe_url}): {cause}. {cure_of(cause)}."
        ) from None
    if not tables:
        return None
    named = ", ".join(sorted(tables)[:_MAX_NAMED])
    more = f" and {len(tables) - _MAX_NAMED} more" if len(tables) > _MAX_NAMED else ""
    raise ConfigurationError(
        f"The database ({database.safe_url}) belongs to another application, whose tables are"
        f" {named}{more}: name a database of its own for the issuer."
    )


def revision_in(connection: Connection) -> str | None:
    """The revision as a transaction sees it, in a database of the issuer."""
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
