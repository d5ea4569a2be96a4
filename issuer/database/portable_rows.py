"""The rows of whole tables as JSON values, the same on SQLite and PostgreSQL.

Bytes are hexadecimal, JSON is its text as stored, an instant is text in UTC. Tables are read from
the database rather than from the models: those of an older schema have other columns.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SAWarning

from issuer.database.engine import sqlite_connection
from issuer.database.outage import cause_of

JsonRow: TypeAlias = list[Any]

_SCHEMA_VERSION = "alembic_version"
_AT_ONCE = 1_000


class UnfitRow(Exception):
    """A row that its table refuses; `str()` says why."""


def reflect(connection: sa.Connection) -> sa.MetaData:
    """All tables of the database."""
    metadata = sa.MetaData()
    with warnings.catch_warnings():
        # Of indexes of expressions, which rows do not need.
        warnings.filterwarnings("ignore", "Skipped unsupported reflection", SAWarning)
        metadata.reflect(connection)
    return metadata


def data_tables(connection: sa.Connection) -> dict[str, sa.Table]:
    """By name, each after those that its foreign keys refer to."""
    tables = reflect(connection).sorted_tables
    return {table.name: table for table in tables if table.name != _SCHEMA_VERSION}


def read_rows(connection: sa.Connection, table: sa.Table) -> Iterator[JsonRow]:
    """Every row, in no particular order. Few are in memory at a time."""
    is_sqlite = connection.dialect.name == "sqlite"
    as_read = _quote if is_sqlite else _as_json_value
    names = [as_read(connection, column) for column in table.columns]
    found = connection.exec_driver_sql(
        f"SELECT {', '.join(names)} FROM {_quote(connection, table)}",  # noqa: S608 - names of the database itself
        execution_options={"stream_results": True, "yield_per": _AT_ONCE},
    )
    conversions = _conversions(table.columns, _FROM_SQLITE) if is_sqlite else []
    for row in found:
        yield _convert(row, conversions)


def write_rows(
    connection: sa.Connection, table: sa.Table, columns: Sequence[str], rows: Iterable[JsonRow]
) -> None:
    """Add `rows` with values for `columns`; `UnfitRow` if the table refuses one."""
    into = [table.columns[name] for name in columns]
    names = ", ".join(_quote(connection, column) for column in into)
    where = f"{_quote(connection, table)} ({names})"
    is_sqlite = connection.dialect.name == "sqlite"
    conversions = _conversions(into, _TO_SQLITE if is_sqlite else _TO_POSTGRESQL)
    converted = (_convert(_whole(row, into), conversions) for row in rows)
    with _refuse_bad_rows(connection):
        if is_sqlite:
            values = ", ".join("?" for _ in into)
            statement = f"INSERT INTO {where} VALUES ({values})"  # noqa: S608 - as above
            sqlite_connection(connection).executemany(statement, converted)
        else:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(f"COPY {where} FROM STDIN") as copy:
                for row in converted:
                    copy.write_row(row)


def without_time_limit(connection: sa.Connection) -> None:
    """Let statements of this transaction take as long as they need."""
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")


def continue_ids(connection: sa.Connection, tables: Iterable[sa.Table]) -> None:
    """On PostgreSQL, let new ids follow the existing ones, and the planner know the tables."""
    if connection.dialect.name == "sqlite":
        return
    for table in tables:
        for column in table.primary_key:
            if isinstance(column.type, sa.Integer):
                sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
                connection.execute(sa.select(sa.func.setval(sequence, sa.func.max(column))))
        connection.exec_driver_sql(f"ANALYZE {_quote(connection, table)}")


@contextmanager
def _refuse_bad_rows(connection: sa.Connection) -> Iterator[None]:
    """`UnfitRow` for values that do not fit; any other error of the driver as SQLAlchemy's."""
    driver: Any = connection.dialect.loaded_dbapi
    unfit = (driver.DataError, driver.IntegrityError, driver.ProgrammingError)
    try:
        yield
    except (*unfit, ValueError, TypeError, OverflowError) as error:
        raise UnfitRow(cause_of(error)) from error
    except driver.Error as error:
        raise DBAPIError.instance(
            None, None, error, driver.Error, hide_parameters=True, dialect=connection.dialect
        ) from error


def _whole(row: JsonRow, columns: Sequence[object]) -> JsonRow:
    if len(row) != len(columns):
        raise ValueError("it has another number of values than its table has columns")
    return row


def _convert(
    row: Iterable[Any], conversions: Sequence[tuple[int, Callable[[Any], Any]]]
) -> JsonRow:
    values = list(row)
    for place, convert in conversions:
        if values[place] is not None:
            values[place] = convert(values[place])
    return values


def _conversions(
    columns: Iterable[sa.Column[Any]], of_type: dict[type, Callable[[Any], Any]]
) -> list[tuple[int, Callable[[Any], Any]]]:
    return [
        (place, convert)
        for place, column in enumerate(columns)
        for kind, convert in of_type.items()
        if isinstance(column.type, kind)
    ]


def _as_json_value(connection: sa.Connection, column: sa.Column[Any]) -> str:
    name = _quote(connection, column)
    match column.type:
        case sa.DateTime():
            return f"to_char({name} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
        case sa.LargeBinary():
            return f"encode({name}, 'hex')"
        case sa.JSON():
            return f"{name}::text"
        case _:
            return name


def _quote(connection: sa.Connection, named: sa.Table | sa.Column[Any]) -> str:
    preparer = connection.dialect.identifier_preparer
    return (
        preparer.format_table(named)
        if isinstance(named, sa.Table)
        else preparer.format_column(named)
    )


_FROM_SQLITE: dict[type, Callable[[Any], Any]] = {sa.LargeBinary: bytes.hex, sa.Boolean: bool}
_TO_SQLITE: dict[type, Callable[[Any], Any]] = {sa.LargeBinary: bytes.fromhex, sa.Boolean: int}
_TO_POSTGRESQL: dict[type, Callable[[Any], Any]] = {
    sa.LargeBinary: bytes.fromhex,
    # Without a zone, PostgreSQL would use that of the session.
    sa.DateTime: lambda text: f"{text}+00",
}
