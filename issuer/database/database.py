"""Transactions, the same on SQLite and PostgreSQL."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any, cast

from sqlalchemy import Connection, event, func, select, text, update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import QueuePool

from issuer.background.workers import WaitingCaller, present_caller
from issuer.database import engine
from issuer.database.counts import IN_MEMORY, ChangeCounts, FeedState, lock_changes
from issuer.database.outage import Outage, cause_of, cause_of_file, cure_of, is_damaged
from issuer.database.sqlite import Erasure, WriteQueue, update_statistics
from issuer.database.tables import (
    ChangeCounter,
    Instant,
    OfPeople,
    PrincipalRow,
    RevocationFeedRow,
    SeenByDirectory,
)
from issuer.errors import DatabaseUnavailable, Unavailable
from issuer.telemetry.metrics import AUDIT, READ, WRITE
from issuer.telemetry.tracing import Telemetry

# Of SQLite's virtual machine: some milliseconds. A shorter statement is not interrupted.
_STEPS = 100_000
LEFT = "The caller has left."
_ALLOWED = text(
    "SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
)
_SHOWN = {"host", "port", "sslmode"}  # of the options in a URL; others may be secret
_DENIED = "42501"  # insufficient_privilege: of the role we connect as


def is_abandoned() -> bool:
    """Whether this thread works for a caller who has left."""
    caller = present_caller.get()
    return caller is not None and caller.has_left


@contextmanager
def ending_with_caller(session: Session) -> Iterator[None]:
    """Within it, `Unavailable` from the next statement on, or a driver's error from this one."""
    if (caller := present_caller.get()) is None:
        yield
        return

    def require_caller(_: object) -> None:
        if caller.has_left:
            raise Unavailable(LEFT)

    event.listen(session, "do_orm_execute", require_caller)
    connection = session.connection()
    driver: Any = connection.connection.driver_connection
    _watch(driver, caller)
    try:
        yield
    finally:
        _watch(driver, None)
        if caller.has_left and connection.dialect.name != "sqlite":
            connection.invalidate()  # the request to cancel may come late, to the next statement


def _watch(driver: Any, caller: WaitingCaller | None) -> None:
    if hasattr(driver, "set_progress_handler"):
        driver.set_progress_handler(caller and (lambda: caller.has_left), _STEPS)
    else:
        driver.caller = caller


class Database:
    """One database, and the only way to a transaction on it."""

    def __init__(
        self, url: str, pool: int = engine.MAX_CONNECTIONS, telemetry: Telemetry | None = None
    ) -> None:
        self.url = engine.parse_url(url)
        self.is_sqlite = engine.is_sqlite(self.url)
        telemetry = telemetry or Telemetry()
        self._metrics, self._tracing = telemetry.metrics, telemetry.tracing
        self.engine = engine.engine_for(self.url, pool, self._metrics)
        if self._tracing.is_on:
            engine.trace_statements(self.engine, self._tracing)
        # A server sets it: a command may wait as long as its operator does.
        self.max_silence: float | None = None
        if not self.is_sqlite:
            event.listen(self.engine, "connect", self._bound_silence)
        self._pool_size = pool
        # A reader sees one snapshot, however many statements it runs. On SQLite it always does.
        reading = self.engine
        if not self.is_sqlite:
            reading = reading.execution_options(isolation_level="REPEATABLE READ")
        # Closed for good: one used after its transaction would keep a connection for ever.
        usual: dict[str, Any] = {"expire_on_commit": False, "close_resets_only": False}
        self._reading = sessionmaker(reading, **usual)
        self._writing_engine = self.engine.execution_options(sqlite_begin="IMMEDIATE")
        self._writing = sessionmaker(self._writing_engine, class_=_WritingSession, **usual)
        event.listen(self._writing, "before_flush", _count_the_change)
        self._kept = threading.local()
        self.write_queue = WriteQueue(engine.BUSY_TIMEOUT_MS / 1000)
        self.outage = Outage()
        self.erasure = Erasure(self.engine)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction that writes: committed at the end, rolled back on any error.

        `DatabaseUnavailable` when the database cannot be reached, refuses to write or is full.
        """
        with self.translated(WRITE), self._turn(), self._writing.begin() as session:
            yield session

    @contextmanager
    def statements(self, kind: str = AUDIT) -> Iterator[Connection]:
        """A `transaction` without a session, for a thread that writes again and again.

        Not for changes that the token path must see: only a session counts those. On SQLite it
        has priority over other writers: token requests wait for these writes. `kind` as in
        `translated`.
        """
        with (
            self.translated(kind),
            self._turn(urgent=True),
            self._connect() as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """An administrative change, one at a time across processes: what it checks still holds."""
        with self.transaction() as session:
            lock_changes(session)
            yield session

    def in_batches(
        self, delete_some: Callable[[Session], object], *, changing: bool = False
    ) -> None:
        """Call it, in a transaction each time, while there is more: others wait for none long.

        `changing`: in transactions as those of `changing`.
        """
        begin = self.changing if changing else self.transaction
        more: object = True
        while more:
            with begin() as session:
                more = delete_some(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads; `Unavailable` when the caller of the request has left."""
        with self.translated(READ), self._reading.begin() as session, ending_with_caller(session):
            yield session

    def counts(self) -> ChangeCounts:
        """How many changes were committed; a process that has seen as many is up to date."""
        feed = (RevocationFeedRow.count, RevocationFeedRow.issued_at)
        query = select(
            ChangeCounter.value,
            IN_MEMORY,
            *(select(column).scalar_subquery() for column in feed),
            func.now(type_=Instant()),
        )
        with self.reading() as session:
            changes, in_memory, count, issued_at, read_at = session.execute(query).one()
        return ChangeCounts(changes, in_memory, FeedState(count, issued_at), read_at)

    def now(self) -> datetime:
        """The time of the database's clock; on SQLite in whole seconds."""
        with self.reading() as session:
            return session.scalars(select(func.now(type_=Instant()))).one()

    def update_statistics(self) -> None:
        """Let SQLite plan by the present sizes of tables. PostgreSQL does it by itself."""
        if self.is_sqlite:
            with self.transaction() as session:
                update_statistics(session.connection())
            self.engine.dispose()  # open connections keep the statistics that they have read

    def dispose(self) -> None:
        """Close every connection that is not in use."""
        self._kept = threading.local()
        self.engine.dispose()

    @property
    def connections(self) -> tuple[int, int, int]:
        """How many connections are in use, how many are idle, and how many there may be."""
        pool = cast(QueuePool, self.engine.pool)
        return pool.checkedout(), pool.checkedin(), self._pool_size

    @property
    def safe_url(self) -> str:
        """The URL without its password, for logs and errors."""
        query = {name: value for name, value in self.url.query.items() if name in _SHOWN}
        scheme = "sqlite" if self.is_sqlite else "postgresql"
        return self.url.set(drivername=scheme, query=query).render_as_string(hide_password=True)

    def connections_allowed(self) -> int | None:
        """How many PostgreSQL allows for all its clients together. None for SQLite: no limit."""
        if self.is_sqlite:
            return None
        with self.reading() as session:
            allowed: int = session.scalars(_ALLOWED).one()
            return allowed

    @contextmanager
    def translated(self, kind: str = WRITE) -> Iterator[None]:
        """A database that cannot be used is `DatabaseUnavailable`; any other error is a bug.

        `kind` is what the transaction is for: one of `TRANSACTIONS`.
        """
        began = perf_counter()
        try:
            with self._tracing.span(f"database {kind}"):
                yield
        except (OperationalError, InterfaceError, PoolTimeout, sqlite3.OperationalError) as error:
            if kind == READ and is_abandoned():
                raise Unavailable(LEFT) from error
            raise self._unavailable(error, kind) from error
        except DBAPIError as error:
            is_denied = getattr(error.orig, "sqlstate", None) == _DENIED
            if error.connection_invalidated or is_denied or is_damaged(error.orig):
                raise self._unavailable(error, kind) from error
            raise
        finally:
            self._metrics.transaction_took(kind, amount=perf_counter() - began)
        self.outage.ended(writing=kind != READ)

    def cause(self, error: BaseException) -> str:
        """Why it failed, as the driver reports it."""
        cause = cause_of(error)
        return cause_of_file(cause, Path(str(self.url.database))) if self.is_sqlite else cause

    def _bound_silence(self, connection: Any, _record: object) -> None:
        connection.max_silence = lambda: self.max_silence

    def _unavailable(self, error: BaseException, kind: str) -> DatabaseUnavailable:
        cause = self.cause(error)
        self.outage.failed(cause, writing=kind != READ)
        self._metrics.transaction_failed(kind)
        cure = f" {cure_of(cause)}." if is_damaged(getattr(error, "orig", error)) else ""
        return DatabaseUnavailable(f"Cannot use the database ({self.safe_url}): {cause}.{cure}")

    def _turn(self, *, urgent: bool = False) -> AbstractContextManager[None]:
        return self.write_queue.turn(urgent=urgent) if self.is_sqlite else nullcontext()

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        """A connection of the pool; on SQLite, where connections do not break, one for the thread.

        There the pool would take a fifth of the time of a small commit.
        """
        if not self.is_sqlite:
            with self._writing_engine.connect() as connection:
                yield connection
            return
        if not hasattr(self._kept, "connection"):
            self._kept.connection = self._writing_engine.connect()
        yield self._kept.connection


class _WritingSession(Session):
    """A session that knows how its transaction has incremented the change counter."""

    is_counted = False
    is_counted_of_people = False


def _count_the_change(session: _WritingSession, *_: object) -> None:
    """Count what the token path must see. A listener: a call in each store could be forgotten."""
    if session.is_counted:
        return
    changed = [*session.new, *session.deleted, *filter(session.is_modified, session.dirty)]
    seen = [row for row in changed if isinstance(row, SeenByDirectory)]
    counter, of_people = ChangeCounter.value, ChangeCounter.of_people
    if not all(map(_is_of_people, seen)):
        session.is_counted = True
        session.execute(update(ChangeCounter).values(value=counter + 1))
    elif seen and not session.is_counted_of_people:
        session.is_counted_of_people = True
        session.execute(update(ChangeCounter).values(value=counter + 1, of_people=of_people + 1))


def _is_of_people(row: SeenByDirectory) -> bool:
    return isinstance(row, OfPeople) or (isinstance(row, PrincipalRow) and row.kind != "client")
