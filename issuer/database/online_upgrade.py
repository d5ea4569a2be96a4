"""Migrating PostgreSQL while servers, backups and vacuum use it: locks, and indexes."""

from collections.abc import Sequence

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError

from issuer.database.database import Database
from issuer.database.portable_rows import without_time_limit
from issuer.database.tables import Base
from issuer.errors import Unavailable

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
        raise TablesInUse(_cause(connection, tables)) from None


def _cause(connection: Connection, tables: Sequence[str]) -> str:
    holder = connection.execute(_HOLDER, {"tables": tables}).one_or_none()
    who = "other transactions use its tables"
    if holder is not None:
        pid, name, table, held_for = holder
        who = f"process {pid} ({name}) has used the table {table} for {held_for}"
    return f"Cannot migrate the database: {who}. End it or wait for it, then try again."
