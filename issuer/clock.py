"""The clock that everything below `composition/` is handed."""

import asyncio
import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock. Call it for the instant, aware and in UTC."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that no clock change can move back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Until so much time has passed; the event loop goes on meanwhile."""
        await asyncio.sleep(seconds)
