"""Lets the threads of one process write to SQLite one after the other."""

import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class WriteQueue:
    """A fair lock: first come, first served, `urgent` threads first.

    Without it, a writer that finds the database locked sleeps for up to 100 ms before it tries
    again: meanwhile the database is idle, or serves a writer that came later.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._state = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    @contextmanager
    def turn(self, *, urgent: bool = False) -> Iterator[None]:
        """Hold the lock; after `seconds` of waiting raises as SQLite does for a locked database."""
        self._enter(urgent=urgent)
        try:
            yield
        finally:
            self._leave()

    @property
    def waiting(self) -> int:
        """How many threads wait."""
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
