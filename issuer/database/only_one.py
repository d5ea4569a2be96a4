"""A lock on the whole database, for commands that only one process may run at a time."""

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
    if database.is_sqlite:
        with _lock_file(database) as is_free:
            _wait(is_free, patience, taken)
            yield
        return
    with database.translated(), database.engine.connect() as connection:
        lock = text("SELECT pg_try_advisory_xact_lock(hashtext('agentos-issuer'))")
        _wait(lambda: bool(connection.execute(lock).scalar()), patience, taken)
        yield


def _wait(is_free: Callable[[], bool], patience: float, taken: ConfigurationError) -> None:
    deadline = time.monotonic() + patience
    while not is_free():
        if time.monotonic() >= deadline:
            raise taken
        time.sleep(_LOOKS_EVERY_S)


@contextmanager
def _lock_file(database: Database) -> Iterator[Callable[[], bool]]:
    """Takes the lock on the file beside the database, if no other process holds it."""
    import fcntl  # noqa: PLC0415 - not on every platform; only needed here

    path = Path(f"{database.url.database}.lock")
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
