"""The clock, which `composition/` passes to every other package."""

import asyncio
import time
from datetime import UTC, datetime, timedelta


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
