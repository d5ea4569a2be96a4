"""Whatever is in a database is in its archive, and from there in any other database."""

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import Connection

from issuer.backup.archive import ArchiveReader, ArchiveWriter, TableHead
from issuer.backup.store import delete_rows
from issuer.database import Database
from issuer.database.portable_rows import continue_ids, data_tables, read_rows, write_rows
from tests.backup.random_rows import everything, fill
from tests.backup.test_archive import HEADER, keyed
from tests.databases import copied

DATABASES, MANY_DATABASES = 3, 300


@pytest.fixture
def two_databases(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Database, Database]]:
    """One of the kind, and one of the other kind."""
    kinds = [database_kind, *({"sqlite", "postgresql"} - {database_kind})]
    with ExitStack() as opened:
        databases = []
        for kind in kinds:
            template = request.getfixturevalue(f"migrated_{kind}")
            databases.append(Database(opened.enter_context(copied(template, tmp_path))))
            opened.callback(databases[-1].dispose)
        yield tuple(databases)


def test_a_random_database_is_restored_into_the_other_kind(
    two_databases: tuple[Database, Database],
):
    round_trips(*two_databases, range(DATABASES))


@pytest.mark.slow
def test_many_random_databases_are_restored_into_the_other_kind(
    two_databases: tuple[Database, Database],
):
    round_trips(*two_databases, range(DATABASES, MANY_DATABASES))


def round_trips(first: Database, second: Database, seeds: range) -> None:
    for seed in seeds:
        with writing(first) as connection:
            fill(connection, Random(seed))
            there = everything(connection)
            archive = archived(connection)
        with writing(second) as connection:
            unarchive(archive, connection)
            assert everything(connection) == there, f"with the random seed {seed}"
            assert archived_rows(connection) == rows_of(archive)


def archived(connection: Connection) -> bytes:
    tables = [
        (TableHead(table=name, columns=[*table.columns.keys()]), read_rows(connection, table))
        for name, table in data_tables(connection).items()
    ]
    return b"".join(ArchiveWriter(HEADER, keyed).pieces(tables))


def unarchive(archive: bytes, connection: Connection) -> None:
    tables = data_tables(connection)
    delete_rows(connection, reversed(tables.values()))
    reader = ArchiveReader(io.BytesIO(archive), "the.backup")
    for head, rows in reader.tables():
        write_rows(connection, tables[head.table], head.columns, rows)
    continue_ids(connection, tables.values())
    reader.finish(keyed)


def archived_rows(connection: Connection) -> dict[str, list[str]]:
    return rows_of(archived(connection))


def rows_of(archive: bytes) -> dict[str, list[str]]:
    """Of each table, in an order of their own, with columns by name."""
    reader = ArchiveReader(io.BytesIO(archive), "the.backup")
    return {
        head.table: sorted(repr(sorted(zip(head.columns, row, strict=True))) for row in rows)
        for head, rows in reader.tables()
    }


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    with database.transaction() as session:
        yield session.connection()
