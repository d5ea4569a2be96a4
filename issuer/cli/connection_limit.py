"""How many connections a process has at once."""

import resource
import time
from collections.abc import Callable

import structlog

_OTHER_FILES = 256  # the database, the listener, the log and what libraries open
_SECONDS_BETWEEN_WARNINGS = 60.0

log = structlog.get_logger(__name__)


class ConnectionLimit:
    """Closes connections above `maximum` and logs it once a minute."""

    def __init__(self, maximum: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._maximum = maximum
        self._monotonic = monotonic
        self._closed = 0
        self._warns_at = float("-inf")

    def is_exceeded(self, connections: int) -> bool:
        """Whether the newest of so many connections has to be closed."""
        if connections <= self._maximum:
            return False
        self._closed += 1
        if (now := self._monotonic()) >= self._warns_at:
            log.warning("connection_limit_reached", limit=self._maximum, closed=self._closed)
            self._warns_at = now + _SECONDS_BETWEEN_WARNINGS
            self._closed = 0
        return True


def limit_connections(requested: int) -> ConnectionLimit:
    """A limit of `requested`, or lower where the system allows fewer open files."""
    needed = requested + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < needed:  # RLIM_INFINITY is negative
        soft = needed if hard < 0 else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    maximum = requested if soft < 0 else max(1, min(requested, soft - _OTHER_FILES))
    if maximum < requested:
        log.warning("connections_limited_by_open_files", limit=maximum, requested=requested)
    return ConnectionLimit(maximum)
