"""Whether the file of a SQLite database is still the one that this process has opened."""

import os
import sqlite3

from sqlalchemy import Engine, event


def watch_file(engine: Engine) -> None:
    """Let every use of `engine` fail after its file was deleted, or replaced by another.

    What is written to a deleted file is lost when the process ends, and SQLite reports no error.
    `sqlite3.OperationalError` says what happened. `engine.dispose` lets go of the file.
    """
    _OpenedFile(str(engine.url.database)).listen(engine)


class _OpenedFile:
    def __init__(self, path: str) -> None:
        self._path = path
        self._opened: tuple[int, int] | None = None

    def listen(self, engine: Engine) -> None:
        event.listen(engine, "do_connect", self._require)  # SQLite would create a deleted file
        event.listen(engine, "connect", self._remember)
        event.listen(engine, "begin", self._require)
        event.listen(engine, "engine_disposed", self._forget)

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
