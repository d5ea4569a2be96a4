"""Locks on the whole database, for what only one process may do at a time."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TextIO

from sqlalchemy import text

from issuer.database.database import Database
from issuer.errors import ConfigurationError
from issuer.files import is_locked, wait_until


@contextmanager
def only_one(database: Database, purpose: str, patience: float = 0) -> Iterator[None]:
    """Hold the database for `purpose`, within `patience` seconds, or `ConfigurationError`."""
    taken = ConfigurationError(f"Another `issuer {purpose}` is running on this database.")
    with _lock(database, "") as is_free:
        wait_until(is_free, patience, taken)
        yield


@contextmanager
def if_free(database: Database, name: str) -> Iterator[bool]:
    """Hold the lock `name` against every other process and thread; False if another holds it."""
    with _lock(database, f".{name}") as is_free:
        yield is_free()


def as_server(database: Database) -> AbstractContextManager[None]:
    """Use the database as one of any number of servers, or `ConfigurationError`.

    Forked processes share that. It ends with the last of them, however they end. Of SQLite only:
    a server would go on with the file that a restore has replaced.
    """
    refusal = "`issuer restore` is running on this database: start the server when it has ended."
    return _servers_lock(database, fcntl.LOCK_SH, refusal)


def without_servers(database: Database, purpose: str) -> AbstractContextManager[None]:
    """Use a SQLite database while no server does, or `ConfigurationError`."""
    refusal = f"A server is running on this database: stop it before `issuer {purpose}`."
    return _servers_lock(database, fcntl.LOCK_EX, refusal)


@contextmanager
def _servers_lock(database: Database, kind: int, refusal: str) -> Iterator[None]:
    if not database.is_sqlite:
        yield
        return
    # Hidden, so that deleting issuer.db* before a restore keeps it.
    with _open(database, ".", ".servers") as file:
        if not is_locked(file, kind):
            raise ConfigurationError(refusal)
        yield


@contextmanager
def _lock(database: Database, name: str) -> Iterator[Callable[[], bool]]:
    if database.is_sqlite:
        with _open(database, "", f"{name}.lock") as file:
            yield lambda: is_locked(file, fcntl.LOCK_EX)
        return
    with database.translated(), database.engine.connect() as connection:
        lock = text("SELECT pg_try_advisory_xact_lock(hashtext(:name))")
        yield lambda: bool(connection.execute(lock, {"name": f"agentos-issuer{name}"}).scalar())


def _open(database: Database, prefix: str, suffix: str) -> TextIO:
    """A file beside the database, to be locked. Closing it unlocks it."""
    path = Path(str(database.url.database))
    path = path.with_name(f"{prefix}{path.name}{suffix}")
    try:
        return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w")
    except OSError as error:
        where = " ISSUER_DATA_DIR or ISSUER_DATABASE_URL names a directory that is not there."
        raise ConfigurationError(
            f"Cannot open the database ({database.safe_url}): {path}: {error.strerror}."
            f"{where if isinstance(error, FileNotFoundError) else ''}"
        ) from None
