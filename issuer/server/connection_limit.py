"""How many connections a process has at once, and which is closed for another."""

import heapq
import resource
import time
from collections.abc import Callable, Collection
from typing import Protocol

from issuer.server.processes import return_free_memory
from issuer.telemetry.logs import get_logger

_OTHER_FILES = 256  # the database, the listener, the log and what libraries open
_SECONDS_BETWEEN_WARNINGS = 60.0
_MOST_CLOSED_AT_ONCE = 32
_MANY = 512  # connections, whose memory is worth returning

log = get_logger(__name__)


class LimitedConnection(Protocol):
    """What the limit needs to know of a connection."""

    @property
    def waits_since(self) -> float | None:
        """When it began to wait for its caller; None while it does not."""

    def abort(self) -> None:
        """Close it at once. The limit is told when that has happened."""


class ConnectionLimit:
    """Keeps the number of connections at `maximum`, and logs once a minute that it was reached.

    As nginx does, the connections that have waited longest for their callers are closed to accept
    others: a caller that keeps many open does not exclude anybody. A connection whose request is
    being answered is never closed.
    """

    def __init__(
        self,
        maximum: int,
        monotonic: Callable[[], float] = time.monotonic,
        return_memory: Callable[[], None] = return_free_memory,
    ) -> None:
        self._maximum = maximum
        self._monotonic = monotonic
        self._return_memory = return_memory
        self._most = 0
        self._aborted: set[LimitedConnection] = set()
        self._closed = 0
        self._warns_at = float("-inf")

    def admit(self, newest: LimitedConnection, connections: Collection[LimitedConnection]) -> None:
        """Close others, or else `newest`, if it is one of more than `maximum` connections."""
        self._most = max(self._most, len(connections))
        if len(connections) - len(self._aborted) <= self._maximum:
            return
        closed = self._longest_waiting(newest, connections) or [newest]
        for connection in closed:
            self._aborted.add(connection)
            connection.abort()
        self._closed += len(closed)
        if (now := self._monotonic()) >= self._warns_at:
            log.warning("connection_limit_reached", limit=self._maximum, closed=self._closed)
            self._warns_at = now + _SECONDS_BETWEEN_WARNINGS
            self._closed = 0

    def remove(
        self, connection: LimitedConnection, connections: Collection[LimitedConnection]
    ) -> None:
        """A connection is closed. After the most of many are, their memory is returned."""
        self._aborted.discard(connection)
        if self._most >= _MANY and len(connections) <= self._most // 8:
            self._most = len(connections)
            self._return_memory()

    def _longest_waiting(
        self, newest: LimitedConnection, connections: Collection[LimitedConnection]
    ) -> list[LimitedConnection]:
        """Several, since a search of all connections for each new one would take too long."""
        waiting = [
            (since, id(connection), connection)
            for connection in connections
            if connection not in self._aborted
            and connection is not newest
            and (since := connection.waits_since) is not None
        ]
        number = max(1, min(_MOST_CLOSED_AT_ONCE, len(waiting) // 8))
        return [each for _, _, each in heapq.nsmallest(number, waiting)]


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
