"""Watches the change counters of the database, for what is cached in memory."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.background.batches import BatchWorker
from issuer.background.periodic import Periodic
from issuer.clock import Clock
from issuer.database import Database
from issuer.database.counts import FeedState
from issuer.database.deployment import require_agreement
from issuer.errors import ConfigurationError, Unavailable
from issuer.telemetry.logs import get_logger

POLL_INTERVAL = timedelta(milliseconds=250)
TRUST_FOR = timedelta(seconds=10)

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class ChangeWatcher:
    """Polls the change counters, in a thread that calls those who depend on them.

    Each of `_followers` gets a new count of what is held in memory. `follow_feed` is called when
    tokens were revoked, or the feed has a later `iat`; `check` after each change:
    `ConfigurationError` makes all requests fail.
    """

    _database: Database
    _clock: Clock
    _followers: Sequence[Callable[[int], None]]
    follow_feed: Callable[[FeedState], None] | None = None
    check: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        self._failed_check: ConfigurationError | None = None
        self._wrong_clock: Unavailable | None = None
        self._polling = threading.Lock()
        self._seen = -1
        self._feed_seen: FeedState | None = None
        self._polled_at = float("-inf")
        self.job = Periodic("change-watcher", POLL_INTERVAL, self.poll)
        self.reader = BatchWorker("change-reader", self._poll_for)

    def start(self) -> None:
        """Poll once, so that the start fails without a database; then poll at the interval."""
        self.poll()
        self.job.start()

    def stop(self) -> None:
        self.job.stop()

    def poll(self) -> None:
        """Read the counters now, for example after a change made by this process."""
        with self._polling:
            polled_at, asked_at = self._clock.monotonic(), self._clock()
            counts = self._database.counts()
            self._compare_clocks(counts.read_at, asked_at)
            if counts.feed != self._feed_seen:
                if self.follow_feed is not None:
                    self.follow_feed(counts.feed)
                self._feed_seen = counts.feed
            if counts.in_memory != self._seen:
                self._failed_check = self._check()
                for follow in self._followers:
                    follow(counts.in_memory)
                self._seen = counts.in_memory
            self._polled_at = polled_at

    def poll_feed(self, count: int) -> None:
        """Read the counters, unless that change of the revocation feed was seen already."""
        with self._polling:
            if self._feed_seen is not None and self._feed_seen.count >= count:
                return
        self.poll()

    async def read(self) -> None:
        """Return when memory has every change that was committed before the call."""
        await self.reader.run(None)

    @property
    def is_current(self) -> bool:
        """Whether the last poll is recent enough to trust what is in memory."""
        return self._clock.monotonic() - self._polled_at <= TRUST_FOR.total_seconds()

    def require_current(self) -> None:
        """`Unavailable` if a check failed, what is in memory is too old, or the clock is wrong."""
        if self._failed_check is not None:
            raise Unavailable(str(self._failed_check))
        if self._wrong_clock is not None:
            raise Unavailable(str(self._wrong_clock))
        if not self.is_current:
            cause = self._database.outage.cause or "it is slow"
            raise Unavailable(f"The database could not be read for 10 s: {cause}.")

    def _poll_for(self, callers: Sequence[None]) -> Sequence[None]:
        self.poll()
        return callers

    def _compare_clocks(self, read_at: datetime, asked_at: datetime) -> None:
        before, self._wrong_clock = self._wrong_clock, None
        try:
            require_agreement(self._clock, read_at, asked_at)
        except Unavailable as error:
            self._wrong_clock = error
            if before is None:
                log.error("clock_wrong", cause=str(error))  # noqa: TRY400 - no traceback
        else:
            if before is not None:
                log.info("clock_right")

    def _check(self) -> ConfigurationError | None:
        try:
            if self.check is not None:
                self.check()
        except ConfigurationError as error:
            log.error("configuration_outdated", cause=str(error))  # noqa: TRY400 - no traceback
            return error
        return None
