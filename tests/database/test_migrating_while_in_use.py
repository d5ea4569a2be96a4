"""Migrating PostgreSQL beside servers, backups and transactions that hold locks."""

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest
from sqlalchemy import Connection, make_url, text

from issuer.database import Database, current_revision
from issuer.database.deployment import REVISION
from issuer.database.migrations import changing_schema, upgrade, upgrade_to
from issuer.errors import Unavailable

OLDEST = "0001"
SECONDS = 15

pytestmark = pytest.mark.parametrize("database_kind", ["postgresql"])


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """With the schema of 0.1.0."""
    database = Database(database_url)
    with changing_schema(database) as connection:
        upgrade_to(OLDEST, connection)
    yield database
    database.dispose()


@contextmanager
def another_program(database: Database, *statements: str) -> Iterator[psycopg.Connection]:
    """A transaction of another program, which goes on until the block ends."""
    url = make_url(str(database.url))
    with psycopg.connect(host=url.query["host"], user=url.username, dbname=url.database) as other:
        other.execute("SET application_name = 'another'")
        for statement in statements:
            other.execute(statement)
        yield other


@contextmanager
def upgrading(database: Database) -> Iterator[Future[list[str]]]:
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(upgrade, database)


def wait_for(database: Database, condition: str) -> None:
    """Until a session of this database is as `condition` says."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid)"
        f" WHERE datname = current_database() AND {condition}"
    )
    deadline = time.monotonic() + SECONDS
    with database.engine.connect() as connection:
        while not connection.scalar(query):
            assert time.monotonic() < deadline, condition
            connection.rollback()
            time.sleep(0.01)


def test_requests_go_on_while_a_migration_waits_for_a_lock(database: Database):
    with another_program(database, "SELECT FROM clients") as other, upgrading(database) as upgraded:
        wait_for(database, "NOT granted AND mode = 'AccessExclusiveLock'")
        other.execute("SET LOCAL statement_timeout = 5000")
        with another_program(database, "SET statement_timeout = 5000") as request:
            request.execute("INSERT INTO change_counter (id, value) SELECT 2, 0")
            request.execute("SELECT FROM clients")
        other.rollback()
        upgraded.result(SECONDS)
    assert current_revision(database) == REVISION


def test_a_backup_beside_a_migration_ends_well(database: Database):
    """It holds what it has read, and waits for what the migration holds: a deadlock."""
    with another_program(database, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") as backup:
        backup.execute("SELECT FROM clients")
        with upgrading(database) as upgraded:
            wait_for(database, "NOT granted AND mode = 'AccessExclusiveLock'")
            backup.execute("SELECT FROM consents")
            backup.execute("SELECT FROM users")
            backup.rollback()
            upgraded.result(SECONDS)
    assert current_revision(database) == REVISION


def test_a_migration_that_gets_no_lock_says_who_holds_it(database: Database):
    with another_program(database, "SELECT FROM clients") as other:
        pid = other.info.backend_pid
        with pytest.raises(Unavailable, match=rf"process {pid} \(another\) .* the table clients"):
            upgrade(database, pauses=())
    assert current_revision(database) == OLDEST
    upgrade(database)
    assert current_revision(database) == REVISION


def test_vacuum_holds_a_migration_up_but_no_request(database: Database):
    """A vacuum of the audit log may take minutes; only a migration waits for it."""
    vacuum = "LOCK TABLE audit_events IN SHARE UPDATE EXCLUSIVE MODE"
    with upgrading(database) as upgraded, another_program(database, vacuum):
        wait_for(database, "NOT granted AND mode = 'ShareUpdateExclusiveLock'")
        with another_program(database) as request:
            request.execute("SET LOCAL lock_timeout = 1")
            request.execute("DELETE FROM audit_events")
            request.execute("SELECT FROM clients")
    upgraded.result(SECONDS)
    assert current_revision(database) == REVISION


def test_rows_are_written_while_an_index_is_built(database: Database):
    """Building one for a large audit log takes minutes."""
    with upgrading(database) as upgraded:
        with another_program(database, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") as old:
            old.execute("SELECT 1")  # an index must wait for its snapshot
            wait_for(database, "NOT granted AND query ILIKE 'CREATE INDEX CONCURRENTLY%'")
            assert current_revision(database) == REVISION
            with another_program(database) as request:
                request.execute("SET LOCAL lock_timeout = 1")
                request.execute("DELETE FROM audit_events")
                request.execute("DELETE FROM assignments")
        assert "ix_audit_events_refused" in upgraded.result(SECONDS)


def test_a_migration_that_was_killed_in_the_middle_is_completed_by_the_next(database: Database):
    with upgrading(database) as upgraded:
        with another_program(database, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ") as old:
            old.execute("SELECT 1")
            building = "NOT granted AND query ILIKE 'CREATE INDEX CONCURRENTLY%'"
            wait_for(database, building)
            waiting = f"FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE {building}"
            old.execute(f"SELECT pg_terminate_backend(pid) {waiting}")
        with pytest.raises(Unavailable):
            upgraded.result(SECONDS)
    with database.engine.connect() as connection:
        assert invalid(connection)
    assert upgrade(database)
    with database.engine.connect() as connection:
        assert not invalid(connection)
    assert upgrade(database) == [], "nothing is left to build"


def invalid(connection: Connection) -> list[str]:
    return list(
        connection.scalars(
            text("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid")
        )
    )
