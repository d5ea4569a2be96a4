"""What only reads ends when its caller has left."""

import threading
import time
from collections.abc import Callable
from contextvars import copy_context

import pytest
from sqlalchemy import text

from issuer.background.workers import WaitingCaller, present_caller
from issuer.database import Database, Session
from issuer.errors import Unavailable

ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT max(i) FROM n",
    "postgresql": "SELECT pg_sleep(1000)",
}
ACTIVE = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = :q"
SECONDS = 60


@pytest.fixture
def database(migrated_database_url: str):
    database = Database(migrated_database_url)
    yield database
    database.dispose()


class AbandonedReader(threading.Thread):
    """A thread that reads for a caller, and the error with which it ended."""

    def __init__(self, database: Database, read: Callable[[Session], object]) -> None:
        super().__init__(daemon=True)
        self.caller, self.error, self.began = WaitingCaller(), None, threading.Event()
        self._database, self._read = database, read

    def run(self) -> None:
        copy_context().run(self._run)

    def _run(self) -> None:
        present_caller.set(self.caller)
        try:
            with self._database.reading() as session:
                session.execute(text("SELECT 1"))
                self.began.set()
                self._read(session)
        except Unavailable as error:
            self.error = error


def test_a_statement_ends(database: Database, database_kind: str):
    endless = ENDLESS[database_kind]
    reading = AbandonedReader(database, lambda session: session.execute(text(endless)))
    reading.start()
    reading.began.wait()
    time.sleep(0.3)  # it takes no lock, and nothing tells when it has begun
    assert reading.is_alive()
    reading.caller.leave()
    reading.join(SECONDS)
    assert str(reading.error) == "The caller has left."
    assert database.outage.cause is None
    with database.reading() as session:
        if database_kind == "postgresql":
            assert session.scalar(text(ACTIVE), {"q": endless}) == 0
        assert session.scalar(text("SELECT 1")) == 1


def test_no_other_statement_begins(database: Database):
    begun = []

    def read(session: Session) -> None:
        reading.caller.leave()
        session.execute(text("SELECT 2"))
        begun.append(2)

    reading = AbandonedReader(database, read)
    reading.start()
    reading.join(SECONDS)
    assert str(reading.error) == "The caller has left."
    assert not begun


def test_a_change_goes_on(database: Database):
    caller = WaitingCaller()
    caller.leave()

    def change() -> int:
        present_caller.set(caller)
        with database.transaction() as session:
            return session.scalar(text("SELECT 3"))

    assert copy_context().run(change) == 3
