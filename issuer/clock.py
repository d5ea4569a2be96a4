"""The clock, which `composition/` passes to every other package."""

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock. Calling it gives the current time, aware and in UTC."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that no clock change can move back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait without blocking the event loop."""
        await asyncio.sleep(seconds)
