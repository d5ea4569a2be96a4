"""Logging while a database is unavailable: few lines, however many requests fail."""

import time
from collections.abc import Callable

import structlog

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
