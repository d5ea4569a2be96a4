"""Whether the file of a SQLite database is still the one that this process has opened."""

import os
import sqlite3
from typing import Any

from sqlalchemy import Engine, event
from sqlalchemy.engine import URL, Dialect
from sqlalchemy.engine.interfaces import DBAPIConnection


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
