"""Writers of one process take turns on SQLite."""

import threading
from contextlib import AbstractContextManager
from typing import Any

import pytest

from issuer.database import Database
from issuer.database.sqlite import WriteQueue
from issuer.errors import DatabaseUnavailable
from tests.journeys.running_issuer import polls


@pytest.fixture
def database(migrated_database_url: str) -> Database:
    return Database(migrated_database_url)


class Writers:
    """Threads that write, in the order in which they got their turn."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._threads: list[threading.Thread] = []
        self.order: list[str] = []

    def wait(self, name: str, transaction: AbstractContextManager[Any]) -> None:
        """Start one more writer that waits."""

        def write() -> None:
            with transaction:
                self.order.append(name)

        self._threads.append(threading.Thread(target=write))
        self._threads[-1].start()
        for _ in polls(10):
            if self._database.write_queue.waiting == len(self._threads):
                return

    def finish(self) -> list[str]:
        for each in self._threads:
            each.join()
        return self.order


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_writers_take_turns_in_the_order_they_came(database: Database):
    writers = Writers(database)
    with database.transaction():
        for number in range(4):
            writers.wait(f"writer {number}", database.transaction())
    assert writers.finish() == [f"writer {number}" for number in range(4)]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_audit_events_are_written_before_other_changes(database: Database):
    writers = Writers(database)
    with database.transaction():
        writers.wait("a change", database.changing())
        writers.wait("audit events", database.statements())
    assert writers.finish() == ["audit events", "a change"]


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_writer_that_waits_too_long_is_refused_and_leaves_the_queue(database: Database):
    database.write_queue = WriteQueue(seconds=0)
    with database.transaction():
        with pytest.raises(DatabaseUnavailable, match="database is locked"), database.transaction():
            pass
        assert not database.write_queue.waiting
    with database.transaction():
        pass


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_writer_that_fails_lets_the_next_one_write(database: Database):
    with pytest.raises(ZeroDivisionError), database.changing():
        _ = 1 / 0
    with database.changing():
        pass
