"""Engines, the same for SQLite and PostgreSQL, with a span for each statement of a request."""

import os
import sqlite3
import time
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, Dialect, ExceptionContext, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from issuer.errors import ConfigurationError
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import Tracing

_MAX_TEXT = 2_000
BUSY_TIMEOUT_MS = 5_000
_CONNECT_TIMEOUT_S = 5
_STATEMENT_TIMEOUT_MS = 20_000
# Of a server. PostgreSQL ends a statement earlier, and says why, if it still works.
MAX_SILENCE_S = 25.0
MAX_CONNECTIONS = 20
_IDLE_S = 1
_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}
_SQLITE = {"sqlite", "sqlite+pysqlite"}
_FORMS = "must begin with sqlite:///, postgresql:// or postgres://"
_READ_ONLY = "25006"  # read_only_sql_transaction


class OpenedFile:
    """Lets every use of an engine fail after its file was deleted, or replaced by another.

    What is written to a deleted file is lost when the process ends, and SQLite reports no error.
    `sqlite3.OperationalError` says what happened. `engine.dispose` lets go of the file.
    """

    def __init__(self, url: URL) -> None:
        self._url = url
        self._path = str(url.database)
        self._opened: tuple[int, int] | None = None

    def watch(self, engine: Engine) -> None:
        event.listen(engine, "connect", self._remember)
        event.listen(engine, "begin", self._require)
        event.listen(engine, "engine_disposed", self._forget)

    def connect(self, dialect: Dialect, **more: Any) -> DBAPIConnection:
        """A new connection; SQLite alone would create a file that was deleted."""
        self._require()
        arguments, options = dialect.create_connect_args(self._url)
        return dialect.connect(*arguments, **{**options, **more})

    def _require(self, *_: object) -> None:
        if self._opened is None or (present := self._identity()) == self._opened:
            return
        happened = "deleted" if present is None else "replaced"
        raise sqlite3.OperationalError(
            f"{self._path} was {happened} while this process used it, and what it writes would be"
            " lost: put the file back, or restart on the new one"
        )

    def _remember(self, *_: object) -> None:
        self._opened = self._opened or self._identity()

    def _forget(self, *_: object) -> None:
        self._opened = None

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = os.stat(self._path)  # noqa: PTH116 - twice as fast
        except OSError:
            return None
        return status.st_dev, status.st_ino


def trace_statements(engine: Engine, tracing: Tracing) -> None:
    """The text of a statement has no values: those are parameters, which no span holds."""
    system = engine.dialect.name

    def before(_c: object, _cursor: object, text: str, _p: object, context: Any, _m: bool) -> None:
        operation = text.split(maxsplit=1)[0].upper()
        attributes = {
            "db.system.name": system,
            "db.operation.name": operation,
            "db.query.text": text[:_MAX_TEXT],
        }
        context.issuer_span = tracing.span(operation, attributes)
        context.issuer_span.__enter__()

    def after(_c: object, _cursor: object, _text: str, _p: object, context: Any, _m: bool) -> None:
        context.issuer_span.__exit__(None, None, None)

    def failed(failure: ExceptionContext) -> None:
        if (span := getattr(failure.execution_context, "issuer_span", None)) is not None:
            error = failure.original_exception
            span.__exit__(type(error), error, None)

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    event.listen(engine, "handle_error", failed)


def parse_url(url: str) -> URL:
    """The URL of a supported database, or `ConfigurationError`."""
    # Errors do not repeat the text: it may hold a password.
    if url.startswith("postgres") and url.count("@") > 1:
        raise ConfigurationError(
            "ISSUER_DATABASE_URL: write %40 for an @ in the user name or the password."
        )
    try:
        found = make_url(url)
    except ArgumentError:
        raise ConfigurationError(f"ISSUER_DATABASE_URL {_FORMS}.") from None
    except ValueError:  # several hosts go into the query, as SQLAlchemy has it
        raise ConfigurationError(
            "ISSUER_DATABASE_URL: the port must be a number; several hosts are written"
            " postgresql://user:password@/name?host=one:5432&host=two:5432."
        ) from None
    if found.drivername in _POSTGRESQL:
        return found.set(drivername="postgresql+psycopg")
    if found.drivername not in _SQLITE:
        raise ConfigurationError(f"ISSUER_DATABASE_URL {_FORMS}.")
    return found


def engine_for(url: URL, pool: int, metrics: Metrics) -> Engine:
    """The engine, with at most `pool` connections; `metrics` measure the waits for one.

    `ConfigurationError` for an in-memory database, or without the driver.
    """
    build = _sqlite_engine if is_sqlite(url) else _postgresql_engine
    return build(
        url,
        poolclass=_pool_with_metrics(metrics) if metrics.is_stored else QueuePool,
        pool_size=pool,
        pool_timeout=_CONNECT_TIMEOUT_S,
        hide_parameters=True,
    )


def is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"


def sqlite_connection(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection: SQLAlchemy takes as long for a statement as SQLite for a row."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _pool_with_metrics(metrics: Metrics) -> type[QueuePool]:
    """A class, since the engine replaces its pool when connections are closed."""

    class MeasuredPool(QueuePool):
        __module__ = QueuePool.__module__  # which names its logger

        def _do_get(self) -> ConnectionPoolEntry:
            began = time.perf_counter()
            try:
                return super()._do_get()
            finally:
                metrics.connection_took(amount=time.perf_counter() - began)

    return MeasuredPool


def _sqlite_engine(url: URL, **options: Any) -> Engine:
    if url.database in {None, "", ":memory:"}:
        raise ConfigurationError("ISSUER_DATABASE_URL must name a file.")
    file = OpenedFile(url)
    engine: Engine = create_engine(
        url,
        # The connection used last: its page cache is current.
        pool_use_lifo=True,
        creator=lambda: file.connect(engine.dialect, timeout=BUSY_TIMEOUT_MS / 1000),
        **options,
    )
    file.watch(engine)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgresql_engine(url: URL, **options: Any) -> Engine:
    try:
        engine = create_engine(
            url,
            max_overflow=0,
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                # A server that is gone without closing the connection is noticed in seconds, not
                # after a quarter of an hour.
                "tcp_user_timeout": 10_000,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            },
            **options,
        )
    except ImportError:
        raise ConfigurationError(
            "PostgreSQL needs its driver: pip install 'agentos-issuer[postgres]'."
        ) from None
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "handle_error", _leave_a_read_only_server)
    event.listen(engine, "checkin", _note_when_used)
    event.listen(engine, "checkout", partial(_require_connected, engine))
    return engine


def _connect(_dialect: object, _record: object, arguments: Any, parameters: Any) -> object:
    from issuer.database.watched_connection import WatchedConnection  # noqa: PLC0415 - 5.6 MB

    return WatchedConnection.connect(*arguments, **parameters)


def _leave_a_read_only_server(context: ExceptionContext) -> None:
    """After a failover, connections to the old primary must not stay in the pool."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def _note_when_used(_connection: object, record: ConnectionPoolEntry) -> None:
    record.info["used_at"] = time.monotonic()


def _require_connected(
    engine: Engine, connection: Any, record: ConnectionPoolEntry, _proxy: object
) -> None:
    """Ping a connection that was not used a moment ago: a `pool_pre_ping` costs 1/5 of a commit."""
    if time.monotonic() - record.info.get("used_at", time.monotonic()) < _IDLE_S:
        return
    try:
        is_connected = engine.dialect.do_ping(connection)
    except engine.dialect.loaded_dbapi.Error:
        is_connected = False
    if not is_connected:
        raise DisconnectionError


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own BEGIN comes too late for a consistent read; ours is in `_begin_sqlite`.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: what was acknowledged survives a power cut. Group commit keeps it fast.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # Deleted data is overwritten. The default depends on the build of SQLite.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a read transaction may fail when it starts to write.
    kind = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    sqlite_connection(connection).execute(f"BEGIN {kind}")
