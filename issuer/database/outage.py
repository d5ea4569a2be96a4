"""Logging while a database is unavailable: few lines, however many requests fail."""

import time
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import structlog
from psycopg import Connection, OperationalError
from psycopg.abc import PQGen
from psycopg.waiting import Ready, Wait

LOG_EVERY = 60.0  # seconds
_CAUSES = 5  # that are logged in this time

log = structlog.get_logger(__name__)


class Outage:
    """Whether the last use of a database failed, and why.

    A database that can be read may still refuse to write, so only a write ends a failure to write.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.cause: str | None = None
        # A command prints the error in one sentence, and logs nothing.
        self.is_logged = False
        self._monotonic = monotonic
        self._is_of_writing = False
        self._logged: set[str] = set()
        self._logged_at = float("-inf")
        self._failures = 0

    def failed(self, cause: str, *, writing: bool) -> None:
        self.cause = cause
        self._is_of_writing = self._is_of_writing or writing
        self._failures += 1
        now = self._monotonic()
        if now - self._logged_at >= LOG_EVERY:
            self._logged, self._logged_at = set(), now
        if not self.is_logged or cause in self._logged or len(self._logged) == _CAUSES:
            return
        self._logged.add(cause)
        log.error("database_unavailable", cause=cause, failures=self._failures)

    def ended(self, *, writing: bool) -> None:
        """A use of the database succeeded."""
        if self.cause is None or (self._is_of_writing and not writing):
            return
        self.cause, self._is_of_writing = None, False
        failures, self._failures = self._failures, 0
        if self.is_logged:
            log.info("database_available", failures=failures)


MaxSilence: TypeAlias = Callable[[], float | None]


class WatchedConnection(Connection[Any]):
    """Closes itself when the server sends nothing for `max_silence` seconds during a statement.

    TCP notices only a network or a machine that is gone. A stopped server, a proxy without its
    server, and a commit that waits for a standby all keep the connection open.
    """

    max_silence: MaxSilence = staticmethod(lambda: None)

    def wait(self, gen: PQGen[Any], *args: Any, **kwargs: Any) -> Any:
        """As psycopg's, which calls it for every answer; `OperationalError` after the silence."""
        seconds = self.max_silence()
        return super().wait(
            gen if seconds is None else self._bounded(gen, seconds), *args, **kwargs
        )

    def _bounded(self, gen: PQGen[Any], seconds: float) -> Generator[Wait, Ready | int, Any]:
        """`gen`, resumed at least every 0.1 s, with `Ready.NONE` if nothing came."""
        try:
            wanted, heard_at = next(gen), time.monotonic()
            while True:
                ready = yield wanted
                if ready != Ready.NONE:
                    heard_at = time.monotonic()
                elif time.monotonic() - heard_at > seconds:
                    self.pgconn.finish()
                    raise OperationalError(f"the server did not answer for {seconds:g} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            return end.value
