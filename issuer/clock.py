"""The clock, which `composition/` passes to every other package."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta

from issuer.telemetry.logs import get_logger
from issuer.vocabulary import MAX_CLOCK_SKEW

_DISTRUSTED_FOR = timedelta(days=1)
# A machine that has just started may set its clock by the network only now.
_DISTRUSTED_AT_FIRST = timedelta(minutes=2)

log = get_logger(__name__)


class Clock:
    """The machine's clock. Calling it gives the current time, aware and in UTC."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that no clock change can move back."""
        return time.monotonic()

    def ahead_of(self, shown: datetime, asked_at: datetime) -> timedelta:
        """How far this clock is at least ahead of another one; negative if it is behind.

        The other showed `shown` at some time since this one showed `asked_at`.
        """
        return max(asked_at - shown, timedelta(0)) or min(self() - shown, timedelta(0))

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(seconds)


class ClockWatch:
    """Whether what has expired by the machine's clock may be deleted.

    A clock that is ahead, if only for seconds, takes for expired what is still needed, such as the
    active signing key. The monotonic clock shows that it was set.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._reading = threading.Lock()
        self._shown, self._elapsed = clock(), clock.monotonic()
        self._trusted_from = self._elapsed + _DISTRUSTED_AT_FIRST.total_seconds()

    def is_trusted(self) -> bool:
        """False in the first two minutes, and for a day after it was set by more than a minute."""
        with self._reading:
            shown, elapsed = self._clock(), self._clock.monotonic()
            set_by = shown - self._shown - timedelta(seconds=elapsed - self._elapsed)
            self._shown, self._elapsed = shown, elapsed
            if abs(set_by) > MAX_CLOCK_SKEW:
                self._trusted_from = elapsed + _DISTRUSTED_FOR.total_seconds()
                log.warning("clock_set", seconds=round(set_by.total_seconds()))
            return elapsed >= self._trusted_from
