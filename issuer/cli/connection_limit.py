"""How many connections a process has at once."""

import resource
import time
from collections.abc import Callable

import structlog

_OTHER_FILES = 256  # the database, the listener, the log and what libraries open
_SECONDS_BETWEEN_WARNINGS = 60.0

log = structlog.get_logger(__name__)


class ConnectionLimit:
    """Connections above `most` are closed as they come; the log says so once a minute."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._monotonic = monotonic
        self._closed = 0
        self._warns_at = float("-inf")

    def is_exceeded(self, connections: int) -> bool:
        """Whether the newest of so many connections has to be closed."""
        if connections <= self._most:
            return False
        self._closed += 1
        if (now := self._monotonic()) >= self._warns_at:
            log.warning("connection_limit_reached", limit=self._most, closed=self._closed)
            self._warns_at = now + _SECONDS_BETWEEN_WARNINGS
            self._closed = 0
        return True


def limit_connections(wanted: int) -> ConnectionLimit:
    """A limit of `wanted`, or of fewer where the system allows fewer open files."""
    needed = wanted + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < needed:  # RLIM_INFINITY is negative
        soft = needed if hard < 0 else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    most = wanted if soft < 0 else max(1, min(wanted, soft - _OTHER_FILES))
    if most < wanted:
        log.warning("connections_limited_by_open_files", limit=most, wanted=wanted)
    return ConnectionLimit(most)
