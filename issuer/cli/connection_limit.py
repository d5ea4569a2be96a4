"""How many connections a process has at once."""

import time
from collections.abc import Callable

import structlog

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
