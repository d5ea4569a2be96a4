"""How many documents may be fetched that somebody else names, and how many at a time."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from issuer.clock import Clock
from issuer.federation.fetching import FetchRefused

_SECONDS = 60


class FetchBudget:
    """Neither this issuer nor another host is to be kept busy by whoever can name a URL.

    For any thread and any event loop. Nothing waits: beyond the limits a fetch is refused.
    """

    def __init__(
        self, clock: Clock, *, a_minute: int = 60, of_a_host: int = 10, at_once: int = 4
    ) -> None:
        self._clock = clock
        self._a_minute = a_minute
        self._of_a_host = of_a_host
        self._places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._minute = 0
        self._fetched: Counter[str] = Counter()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Around a fetch; `FetchRefused` if there are too many at a time."""
        if not self._places.acquire(blocking=False):
            raise FetchRefused("Too many documents are being fetched.")
        try:
            yield
        finally:
            self._places.release()

    def count(self, url: str) -> None:
        """Before a fetch of the URL; `FetchRefused` if the minute has had too many."""
        host = urlsplit(url).netloc
        minute = int(self._clock().timestamp() // _SECONDS)
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._fetched.clear()
            few_of_host = self._fetched[host] < self._of_a_host
            if not few_of_host or self._fetched.total() >= self._a_minute:
                raise FetchRefused("Too many documents are fetched. Try again later.")
            self._fetched[host] += 1
