"""Threads of one process that write to SQLite, one after the other."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class WriteQueue:
    """A lock that goes to those that wait for it in their order, `urgent` ones first.

    SQLite lets a writer that finds the database locked sleep for up to 100 ms before it tries
    again: the database is idle meanwhile, or goes to a writer that came later.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._state = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, *, urgent: bool = False) -> Iterator[None]:
        """The lock, held. What SQLite raises for a locked database after `seconds` without it."""
        self._enter(urgent=urgent)
        try:
            yield
        finally:
            self._leave()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def _enter(self, *, urgent: bool) -> None:
        with self._state:
            if not self._is_taken:
                self._is_taken = True
                return
            called = threading.Lock()
            called.acquire()
            if urgent:
                self._waiting.appendleft(called)
            else:
                self._waiting.append(called)
        is_called = False
        try:
            is_called = called.acquire(timeout=self._seconds)
        finally:
            if not is_called:
                self._give_up(called)
        if not is_called:
            raise sqlite3.OperationalError("database is locked")

    def _give_up(self, called: threading.Lock) -> None:
        with self._state:
            if called in self._waiting:
                self._waiting.remove(called)
                return
        self._leave()  # it was called at that moment

    def _leave(self) -> None:
        with self._state:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
