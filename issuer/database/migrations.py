"""Schema migrations with Alembic, from the checkout or from inside the wheel."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.operations import Operations
from alembic.operations.ops import CreateIndexOp
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Index, func, inspect, text
from sqlalchemy.exc import OperationalError

import issuer
from issuer.database.database import Database
from issuer.database.deployment import REVISION, current_revision, require_compatible_schema
from issuer.database.engine import sqlite_connection
from issuer.database.portable_rows import without_time_limit
from issuer.database.tables import AssignmentRow, AuditEventRow, Base, ClientRow, UserRow
from issuer.errors import ConfigurationError, Unavailable

# So long requests may wait. Less than `deadlock_timeout`, by default 1 s: only then PostgreSQL
# looks for deadlocks, and might end a request or a backup for the migration.
_LOCK_WITHIN_MS = 800
# A vacuum that PostgreSQL began ends when somebody has waited for it for `deadlock_timeout`.
_WAIT_FOR_VACUUM_MS = 5_000
_WAIT_FOR_OLD_TRANSACTIONS = "10min"
_NOT_LOCKED = {"55P03", "57014", "40P01"}  # lock_not_available, query_canceled, deadlock_detected
_HOLDER = text(
    "SELECT pid, coalesce(nullif(application_name, ''), backend_type, 'unknown') AS name, relname,"
    " coalesce(date_trunc('second', clock_timestamp() - xact_start)::text, 'some time') AS held_for"
    " FROM pg_locks JOIN pg_stat_activity USING (pid) JOIN pg_class ON pg_class.oid = relation"
    " WHERE datname = current_database() AND granted AND relname = ANY(:tables)"
    " AND pid <> pg_backend_pid() ORDER BY xact_start, relname LIMIT 1"
)
_INVALID = text(
    "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
    " WHERE NOT indisvalid AND relnamespace = current_schema()::regnamespace"
)
_INDEXES = text("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
# Seconds between the attempts to lock the tables: ten minutes together.
_PAUSES = (1, 2, *[6] * 90)
_INDEXES_LATER = "indexes_later"


class TablesInUse(Unavailable):
    """Other transactions hold locks on tables that a migration needs."""


def lock_tables(connection: Connection) -> None:
    """Lock all tables of the issuer until the transaction ends; `TablesInUse` after seconds.

    With all of them at once, a migration that has begun waits for nobody, and is in no deadlock.
    Requests wait for less than a second: the first lock, which may wait longer, lets them pass.
    """
    tables = sorted(Base.metadata.tables.keys() & set(inspect(connection).get_table_names()))
    _lock(connection, tables, "SHARE UPDATE EXCLUSIVE", _WAIT_FOR_VACUUM_MS)
    _lock(connection, tables, "ACCESS EXCLUSIVE", _LOCK_WITHIN_MS)
    without_time_limit(connection)


def build_indexes(database: Database) -> list[str]:
    """Build the indexes that are missing, while others write; their names.

    Also those that an interrupted command left unusable. Waits for transactions that are older.
    """
    ours = {
        str(index.name): index for each in Base.metadata.tables.values() for index in each.indexes
    }
    engine = database.engine.execution_options(isolation_level="AUTOCOMMIT")
    with database.translated(), engine.connect() as connection:
        connection.detach()  # others must not get it with these settings
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql(f"SET lock_timeout = '{_WAIT_FOR_OLD_TRANSACTIONS}'")
        for name in ours.keys() & set(connection.scalars(_INVALID)):
            connection.exec_driver_sql(f"DROP INDEX CONCURRENTLY {name}")
        missing = sorted(ours.keys() - set(connection.scalars(_INDEXES)))
        for name in missing:
            ours[name].dialect_kwargs["postgresql_concurrently"] = True
            ours[name].create(connection)
            # Of an expression, the planner knows nothing until then.
            connection.exec_driver_sql(f"ANALYZE {ours[name].table}")
    return missing


def _lock(connection: Connection, tables: Sequence[str], mode: str, within_ms: int) -> None:
    names = ", ".join(map(connection.dialect.identifier_preparer.quote, tables))
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"SET LOCAL statement_timeout = {within_ms}")
            connection.exec_driver_sql(f"LOCK TABLE {names} IN {mode} MODE")
    except OperationalError as error:
        if getattr(error.orig, "sqlstate", None) not in _NOT_LOCKED:
            raise
        who = "other transactions use its tables"
        if (holder := connection.execute(_HOLDER, {"tables": tables}).one_or_none()) is not None:
            pid, name, table, held_for = holder
            who = f"process {pid} ({name}) has used the table {table} for {held_for}"
        raise TablesInUse(
            f"Cannot migrate the database: {who}. End it or wait for it, then try again."
        ) from None


def _index_where(
    table: type[Base], name: str, condition: str, *columns: str, unique: bool = False
) -> None:
    where, of = text(condition), (getattr(table, each) for each in columns)
    Index(name, *of, unique=unique, sqlite_where=where, postgresql_where=where)


_at_most_once = partial(_index_where, AssignmentRow, unique=True)
_at_most_once(
    "uq_assignments_at_one_audience",
    "audience_id IS NOT NULL",
    *("folded_id", "role_name", "audience_id"),
)
_at_most_once("uq_assignments_everywhere", "audience_id IS NULL", "folded_id", "role_name")
# Of few clients. A query uses them if it has the condition in the same words.
_of_few = partial(_index_where, ClientRow)
_of_few("ix_clients_rights_here", """CAST(scopes AS TEXT) LIKE '%"issuer:%'""", "client_id")
_of_few("ix_clients_trusts", "CAST(trusts AS TEXT) != '[]'", "client_id")
# Few of very many events: a query has the condition in the same words.
_index_where(AuditEventRow, "ix_audit_events_refused", "outcome = 'refused'", "id")
# Addresses are found in any case.
Index("ix_users_email", func.lower(UserRow.email))
_is_verified = text("verified_email IS NOT NULL")
Index(
    "ix_users_verified_email",
    func.lower(UserRow.verified_email),
    sqlite_where=_is_verified,
    postgresql_where=_is_verified,
)


def migrate(url: str) -> None:
    """Bring the database at `url` to the newest schema, if it is not there yet."""
    database = Database(url)
    try:
        upgrade(database)
    finally:
        database.dispose()


def upgrade(database: Database, pauses: Sequence[float] = _PAUSES) -> list[str]:
    """Bring `database` to the newest schema, in one transaction.

    On PostgreSQL, indexes follow it, without locks; gives those that were built. `TablesInUse` if
    the tables cannot be locked, with `pauses` between the attempts. A newer schema stays as it is:
    `ConfigurationError` if this program does not work with it.
    """
    if (current := current_revision(database)) not in known_revisions():
        require_compatible_schema(database)
        return []
    if database.is_sqlite or current is None:
        with changing_schema(database) as connection:
            upgrade_to("head", connection)
        database.update_statistics()
        return []
    if current != REVISION:
        _upgrade_in_use(database, pauses)
    return build_indexes(database)


def _upgrade_in_use(database: Database, pauses: Sequence[float]) -> None:
    for pause in pauses:
        with suppress(TablesInUse):
            return _upgrade_locked(database)
        time.sleep(pause)  # for the requests that waited
    return _upgrade_locked(database)


def _upgrade_locked(database: Database) -> None:
    with changing_schema(database) as connection:
        lock_tables(connection)
        upgrade_to("head", connection, indexes_later=True)


@contextmanager
def changing_schema(database: Database) -> Iterator[Connection]:
    """A transaction for `upgrade_to`. SQLite checks foreign keys only at its end."""
    engine = database.engine.execution_options(sqlite_begin="IMMEDIATE")
    with (
        database.translated(),
        engine.connect() as connection,
        _without_foreign_keys(database, connection),
        connection.begin(),
    ):
        yield connection
        if database.is_sqlite and connection.exec_driver_sql("PRAGMA foreign_key_check").first():
            raise ConfigurationError(
                "The database has rows whose foreign keys refer to no row: it was not changed."
            )


def upgrade_to(revision: str, connection: Connection, *, indexes_later: bool = False) -> None:
    """Bring the schema to `revision`, or "head"; `indexes_later` leaves some to `build_indexes`."""
    config = _config()
    config.attributes["connection"] = connection
    config.attributes[_INDEXES_LATER] = indexes_later
    command.upgrade(config, revision)


@Operations.implementation_for(CreateIndexOp, replace=True)
def _create_index(operations: Operations, operation: CreateIndexOp) -> None:
    context = operations.migration_context
    if operation.unique or not (context.config and context.config.attributes.get(_INDEXES_LATER)):
        operations.impl.create_index(operation.to_index(context))


@contextmanager
def _without_foreign_keys(database: Database, connection: Connection) -> Iterator[None]:
    """SQLite changes a table by creating a new one: dropping the old one must not cascade."""
    if not database.is_sqlite:
        yield
        return
    # Outside of any transaction: inside one, SQLite ignores it.
    driver = sqlite_connection(connection)
    driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys=ON")


@cache
def known_revisions() -> frozenset[str | None]:
    """Every revision in this program's history, and None for the empty database."""
    history = ScriptDirectory.from_config(_config()).walk_revisions()
    return frozenset({None, *(script.revision for script in history)})


def _config() -> Config:
    package = Path(issuer.__file__).parent
    inside_the_wheel = package / "migrations"
    scripts = inside_the_wheel if inside_the_wheel.is_dir() else package.parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
