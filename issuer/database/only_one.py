"""Locks on the whole database, for what only one process may do at a time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from issuer.database.database import Database
from issuer.errors import ConfigurationError

_LOOKS_EVERY_S = 0.1


@contextmanager
def only_one(database: Database, purpose: str, patience: float = 0) -> Iterator[None]:
    """Hold the database for `purpose` against every other process, or `ConfigurationError`.

    Waits for another one to end, for at most `patience` seconds.
    """
    taken = ConfigurationError(f"Another `issuer {purpose}` is running on this database.")
    with _lock(database, "") as is_free:
        _wait(is_free, patience, taken)
        yield


@contextmanager
def if_free(database: Database, name: str) -> Iterator[bool]:
    """Hold the lock `name` against every other process and thread; False if another holds it."""
    with _lock(database, f".{name}") as is_free:
        yield is_free()


@contextmanager
def _lock(database: Database, name: str) -> Iterator[Callable[[], bool]]:
    if database.is_sqlite:
        with _lock_file(database, name) as is_free:
            yield is_free
        return
    with database.translated(), database.engine.connect() as connection:
        lock = text("SELECT pg_try_advisory_xact_lock(hashtext(:name))")
        yield lambda: bool(connection.execute(lock, {"name": f"agentos-issuer{name}"}).scalar())


def _wait(is_free: Callable[[], bool], patience: float, taken: ConfigurationError) -> None:
    deadline = time.monotonic() + patience
    while not is_free():
        if time.monotonic() >= deadline:
            raise taken
        time.sleep(_LOOKS_EVERY_S)


@contextmanager
def _lock_file(database: Database, name: str) -> Iterator[Callable[[], bool]]:
    """Takes the lock on the file beside the database, if no other process holds it."""
    import fcntl  # noqa: PLC0415 - not on every platform; only needed here

    path = Path(f"{database.url.database}{name}.lock")
    try:
        file = path.open("w")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot open the database ({database.safe_url}): {path}: {error.strerror}."
        ) from None

    def is_free() -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    with file:
        yield is_free
