"""A lock on the whole database, for commands that only one process may run at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import text

from issuer.database.database import Database
from issuer.errors import ConfigurationError


@contextmanager
def only_one(database: Database, purpose: str) -> Iterator[None]:
    """Hold the database for `purpose` against every other process, or `ConfigurationError`."""
    taken = ConfigurationError(f"Another `issuer {purpose}` is running on this database.")
    if database.is_sqlite:
        with _only_one_on_file(database, taken):
            yield
        return
    with database.translated(), database.engine.connect() as connection:
        lock = text("SELECT pg_try_advisory_xact_lock(hashtext('agentos-issuer'))")
        if not connection.execute(lock).scalar():
            raise taken
        yield


@contextmanager
def _only_one_on_file(database: Database, taken: Exception) -> Iterator[None]:
    import fcntl  # noqa: PLC0415 - not on every platform; only needed here

    path = Path(f"{database.url.database}.lock")
    try:
        lock = path.open("w")
    except OSError as error:
        raise ConfigurationError(
            f"Cannot open the database ({database.safe_url}): {path}: {error.strerror}."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise taken from None
        yield
