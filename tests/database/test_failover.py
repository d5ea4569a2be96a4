"""A PostgreSQL that becomes read-only, as after a failover, or does not answer."""

import pytest
from sqlalchemy import text

from issuer.database import Database
from issuer.errors import DatabaseUnavailable
from tests.private_postgresql import PostgresqlServer


def test_a_read_only_connection_does_not_stay_in_the_pool(
    empty_postgresql: PostgresqlServer,
):
    """After a failover it would stay connected to the old primary."""
    database = Database(empty_postgresql.url)

    def server_process() -> int:
        with database.reading() as session:
            return session.scalars(text("SELECT pg_backend_pid()")).one()

    def setting() -> str:
        with database.reading() as session:
            return session.scalars(text("SHOW default_transaction_read_only")).one()

    before = server_process()
    assert server_process() == before
    empty_postgresql.set_read_only(True)
    # The server process of the connection learns of it by a signal, at some time.
    assert any(setting() == "on" for _ in range(100_000))
    with (
        pytest.raises(DatabaseUnavailable, match="read-only transaction"),
        database.transaction() as session,
    ):
        session.execute(text("CREATE TABLE anything (id integer)"))
    empty_postgresql.set_read_only(False)
    assert server_process() != before
    database.dispose()


def test_a_connection_on_which_nothing_comes_is_given_up(empty_postgresql: PostgresqlServer):
    database = Database(empty_postgresql.url)
    database.max_silence = 0.2
    with pytest.raises(DatabaseUnavailable, match=r"the server did not answer for 0\.2 s"):
        slept(database, "pg_sleep(5)")
    assert slept(database, "pg_sleep(0)") == "", "on a new connection"
    database.dispose()


def test_a_connection_on_which_rows_come_is_kept_however_long_they_take(
    empty_postgresql: PostgresqlServer,
):
    database = Database(empty_postgresql.url)
    database.max_silence = 0.2
    with database.reading() as session:
        # 8 kB each: PostgreSQL sends what fills its buffer.
        slow = "SELECT repeat('x', 9000), pg_sleep(0.02) FROM generate_series(1, 30)"
        assert len(session.execute(text(slow)).all()) == 30
    database.dispose()


def slept(database: Database, how_long: str) -> str:
    with database.reading() as session:
        return session.scalars(text(f"SELECT {how_long}::text")).one()
