"""Polls a document (key set or revocation feed) in a thread, and keeps its newest valid version."""

import asyncio
import logging
import os
import random
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched

T = TypeVar("T")

MIN_INTERVAL = 1.0
MAX_INTERVAL = 300.0
DEFAULT_INTERVAL = 60.0
MAX_RETRY_INTERVAL = 30.0
EXTRA_FETCH_INTERVAL = 5.0
STALE_LIMIT = 24 * 3600.0

log = logging.getLogger(__name__)


class Background:
    """An event loop in a daemon thread, started on first use in this process.

    A fetch therefore never blocks the loop that serves. Threads do not survive a fork: the child
    starts its own. Hold `starting` while you start something in it once.
    """

    def __init__(self) -> None:
        self.starting = threading.RLock()
        self._loop: asyncio.AbstractEventLoop | None = None
        os.register_at_fork(after_in_child=self._forget)

    def run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Start `work` there; the future has its result."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def _running(self) -> asyncio.AbstractEventLoop:
        with self.starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(
                    target=self._loop.run_forever, name="agentos-issuer-verifier", daemon=True
                )
                thread.start()
            return self._loop

    def _forget(self) -> None:
        self.starting = threading.RLock()
        self._loop = None


background = Background()


@dataclass(frozen=True, slots=True)
class Held(Generic[T]):
    """A valid version of the document; `seen_at` is when it was last confirmed as current.

    In seconds of the monotonic clock. A new version has a new `value` object.
    """

    value: T
    body: bytes
    etag: str | None
    seen_at: float


@dataclass(eq=False, repr=False)
class KeySetClient(Generic[T]):
    """Fetches in the background at the interval that `max-age` sets: 1 to 300 s.

    Any thread may read `held` without a lock. A failed fetch or an invalid document keeps the
    version held, which is trusted for `trusted_for` seconds after it was last confirmed. An
    unchanged version is confirmed only if `check` does not raise `NotFetched`. `fetched` is called
    after each fetch, with its problem or None. `next_at` is public so that a caller can tell when
    to try again.
    """

    name: str
    fetch: Callable[[str | None], Awaitable[Fetched]]
    read: Callable[[bytes], T]
    check: Callable[[T], None] = lambda _: None
    keep: Callable[[Held[T]], None] = lambda _: None
    fetched: Callable[[str | None], None] = lambda _: None
    retry_interval: float = MAX_RETRY_INTERVAL
    trusted_for: float = STALE_LIMIT
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.held: Held[T] | None = None
        self.problem: str | None = None
        self.next_at = self.clock()
        self._failures = 0
        self._extra_fetch_at = -EXTRA_FETCH_INTERVAL
        self._process: int | None = None
        self._polling: Future[None] | None = None
        self._fetch_task: asyncio.Task[None] | None = None

    @property
    def trusted_version(self) -> Held[T] | None:
        """The version held, unless it is too old to be trusted."""
        held = self.held
        if held is None or self.clock() - held.seen_at > self.trusted_for:
            return None
        return held

    @property
    def is_running(self) -> bool:
        """Whether it polls in this process: after a fork it does not yet."""
        return self._process == os.getpid()

    def start(self, held: Held[T] | None = None) -> None:
        """Start polling. `held` is the version cached by an earlier process."""
        with background.starting:
            if self.is_running:
                return
            self.held = self.held or held
            self._polling = background.run(self._poll())
            self._process = os.getpid()

    def stop(self) -> None:
        """Stop polling until started again."""
        with background.starting:
            if self._polling is not None:
                self._polling.cancel()
            self._process = None

    async def fetch_now(self) -> None:
        """Fetch now, or wait for the fetch in progress."""
        self.start()
        await asyncio.wrap_future(background.run(self._fetch_once()))

    async def fetch_missing(self, is_there: Callable[[T], bool]) -> None:
        """Fetch for what is missing, at most every 5 s; this never delays a scheduled fetch."""
        self.start()
        await asyncio.wrap_future(background.run(self._fetch_if_missing(is_there)))

    def request_missing(self, is_there: Callable[[T], bool]) -> None:
        """Like `fetch_missing`, for a caller that cannot wait."""
        if self.clock() - self._extra_fetch_at >= EXTRA_FETCH_INTERVAL:
            self.start()
            background.run(self._fetch_if_missing(is_there))

    async def _poll(self) -> None:
        while True:
            await self._fetch_once()
            while (pause := self.next_at - self.clock()) > 0:
                await asyncio.sleep(min(pause, MIN_INTERVAL))  # an extra fetch may move `next_at`

    async def _fetch_if_missing(self, is_there: Callable[[T], bool]) -> None:
        if self._is_fetching:
            await self._fetch_once()
        held, now = self.trusted_version, self.clock()
        if (held and is_there(held.value)) or now - self._extra_fetch_at < EXTRA_FETCH_INTERVAL:
            return
        self._extra_fetch_at = now
        await self._fetch_once()

    async def _fetch_once(self) -> None:
        """One fetch at a time; concurrent callers wait for the same one."""
        if self._fetch_task is None or not self._is_fetching:
            self._fetch_task = asyncio.get_running_loop().create_task(self._refresh())
        await asyncio.shield(self._fetch_task)

    @property
    def _is_fetching(self) -> bool:
        """Whether a fetch is in progress in this loop: a fork copies that of the parent's loop."""
        task, loop = self._fetch_task, asyncio.get_running_loop()
        return task is not None and not task.done() and task.get_loop() is loop

    async def _refresh(self) -> None:
        try:
            self._accept(await self.fetch(self.held.etag if self.held else None))
        except NotFetched as error:
            self._report_failure(f"{self.name} {error}")
        except Exception as error:  # whatever it is, polling continues
            log.exception("%s cannot be updated", self.name)
            self._report_failure(f"{self.name}: {type(error).__name__}")

    def _accept(self, fetched: Fetched) -> None:
        now, held = self.clock(), self.held
        if held and (fetched.body is None or fetched.body == held.body):
            try:
                self.check(held.value)
            except NotFetched:
                self.held = replace(held, etag=None)  # else the server would keep answering 304
                raise
            self.held = replace(held, etag=fetched.etag, seen_at=now)
        else:
            body = fetched.body or b""
            self.held = Held(self.read(body), body, fetched.etag, now)
            log.debug("%s has changed", self.name)
        if self.problem:
            log.info("%s is updated again", self.name)
        self.problem, self._failures = None, 0
        interval = DEFAULT_INTERVAL if fetched.max_age is None else fetched.max_age
        self.next_at = now + min(max(interval, MIN_INTERVAL), MAX_INTERVAL)
        self.keep(self.held)
        self.fetched(None)

    def _report_failure(self, problem: str) -> None:
        if problem != self.problem:
            trusted = self.trusted_version
            held = "the last valid version stays in use" if trusted else "no valid version is held"
            log.warning("%s; %s", problem, held)
        self.problem = problem
        self.fetched(problem)
        pause = min(2.0**self._failures, self.retry_interval)
        self._failures = min(self._failures + 1, 10)
        # Spread the load when the issuer is available again.
        self.next_at = self.clock() + pause * random.uniform(0.5, 1.0)  # noqa: S311
