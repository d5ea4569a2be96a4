"""Engine and transactions, the same for SQLite and PostgreSQL (DESIGN §7)."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text, update
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DBAPIError,
    InterfaceError,
    NoSuchModuleError,
    OperationalError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

from issuer.database.tables import ChangeCounter, Instant, SeenByDirectory
from issuer.errors import ConfigurationError, Unavailable

_BUSY_TIMEOUT_MS = 5_000
_CONNECT_TIMEOUT_S = 5
_STATEMENT_TIMEOUT_MS = 30_000
_MOST_CONNECTIONS = 20


class Database:
    """One database, and the only way to a transaction on it."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _engine(self.url)
        # A reader sees one moment, however many statements it takes. SQLite's always does.
        reading = self.engine
        if not self.is_sqlite:
            reading = reading.execution_options(isolation_level="REPEATABLE READ")
        self._reading = sessionmaker(reading, expire_on_commit=False)
        self._writing = sessionmaker(
            self.engine.execution_options(sqlite_begin="IMMEDIATE"), expire_on_commit=False
        )
        event.listen(self._writing, "before_flush", _count_the_change)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A transaction that writes: committed at the end, rolled back on any error.

        `Unavailable` when the database cannot be reached or stays locked.
        """
        with _translated(), self._writing.begin() as session:
            yield session

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """A transaction for a change an operator makes: one at a time, in the whole house.

        SQLite has one writer anyway; on PostgreSQL the counter's row is the lock. So a rule
        checked before a change still holds when it is committed.
        """
        with self.transaction() as session:
            session.execute(select(ChangeCounter.value).with_for_update())
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that only reads. `Unavailable` as above."""
        with _translated(), self._reading.begin() as session:
            yield session

    def change_count(self) -> int:
        """How many committed changes the directory must have seen to be current."""
        with self.reading() as session:
            return read_change_count(session)

    def now(self) -> datetime:
        """What time the database thinks it is; SQLite knows whole seconds only."""
        with self.reading() as session:
            return session.scalars(select(func.now(type_=Instant()))).one()

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()

    @property
    def safe_url(self) -> str:
        """The URL without its password, wherever that stands, fit for a log."""
        return self.url.set(query={}).render_as_string(hide_password=True)


def read_change_count(session: Session) -> int:
    """The change counter as this transaction sees it."""
    return session.scalars(select(ChangeCounter.value)).one()


def _count_the_change(session: Session, *_: object) -> None:
    """Every change the token path must see moves the counter, in the same transaction.

    A listener rather than a call in each store: nobody can forget it.
    """
    touched = [*session.new, *session.deleted, *filter(session.is_modified, session.dirty)]
    if not session.info.get("counted") and any(isinstance(row, SeenByDirectory) for row in touched):
        session.info["counted"] = True
        session.execute(update(ChangeCounter).values(value=ChangeCounter.value + 1))


@contextmanager
def _translated() -> Iterator[None]:
    """A database that is away or locked is `Unavailable`; everything else is a bug, as it is."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise Unavailable("The database cannot be reached or is busy.") from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise Unavailable("The database went away.") from error
        raise


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
        parsed.get_dialect()
    except (ArgumentError, NoSuchModuleError, ImportError):
        # The text is not repeated: it may hold a password.
        raise ConfigurationError("ISSUER_DATABASE_URL is not a SQLAlchemy URL we know.") from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise ConfigurationError(
            "ISSUER_DATABASE_URL must begin with sqlite:/// or postgresql+psycopg://."
        )
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        if url.database in {None, "", ":memory:"}:
            raise ConfigurationError("ISSUER_DATABASE_URL must name a file, so that it lasts.")
        engine = create_engine(
            url,
            pool_size=_MOST_CONNECTIONS,
            pool_timeout=_CONNECT_TIMEOUT_S,
            hide_parameters=True,
            connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        return create_engine(
            url,
            pool_size=_MOST_CONNECTIONS,
            max_overflow=0,
            pool_pre_ping=True,
            pool_timeout=_CONNECT_TIMEOUT_S,
            hide_parameters=True,
            connect_args={
                "connect_timeout": _CONNECT_TIMEOUT_S,
                # A server that went away without a word is noticed in seconds, not in a quarter
                # of an hour.
                "tcp_user_timeout": 10_000,
                "keepalives_idle": 5,
                "keepalives_interval": 2,
                "keepalives_count": 3,
                "options": f"-c statement_timeout={_STATEMENT_TIMEOUT_MS} -c timezone=UTC",
            },
        )
    except ImportError:
        raise ConfigurationError(
            "PostgreSQL needs its driver: pip install 'agentos-issuer[postgres]'."
        ) from None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own BEGIN comes too late for a consistent read; ours is in `_begin_sqlite`.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    # FULL: what was acknowledged survives a power cut. Group commit pays for it (DESIGN §5).
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: a reader that becomes a writer could only fail.
    kind = connection.get_execution_options().get("sqlite_begin", "DEFERRED")
    connection.exec_driver_sql(f"BEGIN {kind}")


@contextmanager
def only_one(database: Database, purpose: str) -> Iterator[None]:
    """Hold the database for `purpose` against every other process, or `ConfigurationError`."""
    taken = ConfigurationError(f"Another `issuer {purpose}` is running on this database.")
    if database.is_sqlite:
        with _only_one_on_file(Path(str(database.url.database)), taken):
            yield
        return
    with _translated(), database.engine.connect() as connection:
        lock = text("SELECT pg_try_advisory_xact_lock(hashtext('agentos-issuer'))")
        if not connection.execute(lock).scalar():
            raise taken
        yield


@contextmanager
def _only_one_on_file(path: Path, taken: Exception) -> Iterator[None]:
    import fcntl  # noqa: PLC0415 - not on every platform; only needed here

    try:
        lock = path.with_name(path.name + ".lock").open("w")
    except OSError as error:
        raise ConfigurationError(f"The database {path} cannot be opened: {error}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise taken from None
        yield
