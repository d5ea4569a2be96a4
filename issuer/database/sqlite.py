"""What only SQLite needs: writers that take turns, and erasing what was deleted from its files."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from issuer.database.engine import BUSY_TIMEOUT_MS
from issuer.telemetry.logs import get_logger

# No other process can write while a checkpoint waits for readers.
_WAIT_FOR_READERS_MS = 100
_ROWS_LOOKED_AT = 1_000  # of an index
_FEW_ROWS = 10_000

log = get_logger(__name__)


def update_statistics(connection: Connection) -> None:
    """Let SQLite know how many rows large tables have. It takes less than 0.1 s.

    Tables of few rows keep none: they may have a million within the hour, and what SQLite assumes
    without statistics is right for both. `PRAGMA optimize` before SQLite 3.46 does nothing on a
    new connection.
    """
    for statement in (
        f"PRAGMA analysis_limit={_ROWS_LOOKED_AT}",
        "ANALYZE",
        f"DELETE FROM sqlite_stat1 WHERE CAST(stat AS INTEGER) < {_FEW_ROWS}",  # noqa: S608
    ):
        connection.exec_driver_sql(statement)


class WriteQueue:
    """A fair lock: first come, first served, `urgent` threads first.

    Without it, a writer that finds the database locked sleeps for up to 100 ms before it tries
    again: meanwhile the database is idle, or serves a writer that came later.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._state = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, *, urgent: bool = False) -> Iterator[None]:
        """Hold the lock; after `seconds` of waiting raises as SQLite does for a locked database."""
        self._enter(urgent=urgent)
        try:
            yield
        finally:
            self._leave()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
        return len(self._waiting)

    def _enter(self, *, urgent: bool) -> None:
        with self._state:
            if not self._is_taken:
                self._is_taken = True
                return
            called = threading.Lock()
            called.acquire()
            if urgent:
                self._waiting.appendleft(called)
            else:
                self._waiting.append(called)
        is_called = False
        try:
            is_called = called.acquire(timeout=self._seconds)
        finally:
            if not is_called:
                self._give_up(called)
        if not is_called:
            raise sqlite3.OperationalError("database is locked")

    def _give_up(self, called: threading.Lock) -> None:
        with self._state:
            if called in self._waiting:
                self._waiting.remove(called)
                return
        self._leave()  # it was called at that moment

    def _leave(self) -> None:
        with self._state:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False


class Erasure:
    """Empties the write-ahead log, where old versions of rows stay until a checkpoint.

    `secure_delete` overwrites them in the database file itself. PostgreSQL keeps old versions of
    rows until VACUUM, and its write-ahead log as configured: its operator erases them.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_sqlite = engine.dialect.name == "sqlite"
        self._is_due = False

    def run(self) -> None:
        """Empty it now, or log that it is being read and leave it to `retry`. Never raises."""
        was_due, self._is_due = self._is_due, self._is_sqlite and not self._checkpoint()
        if self._is_due and not was_due:
            # No warning: a server reads all the time, and tries again within a minute.
            log.info(
                "old_rows_remain",
                advice="The write-ahead log of SQLite still holds sealed keys that were replaced"
                " or destroyed, because it is being read. A running server erases them later.",
            )
        elif was_due and not self._is_due:
            log.info("old_rows_erased")

    def retry(self) -> None:
        """Empty it if that was not possible before."""
        if self._is_due:
            self.run()

    def _checkpoint(self) -> bool:
        """Whether the log is empty."""
        try:
            with closing(self._engine.raw_connection()) as connection:
                cursor = connection.cursor()
                try:
                    cursor.execute(f"PRAGMA busy_timeout={_WAIT_FOR_READERS_MS}")
                    cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    result = cursor.fetchone()
                finally:
                    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        except (sqlite3.Error, SQLAlchemyError):
            return False
        return result is not None and not result[0]  # else it is busy
