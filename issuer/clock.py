"""Time comes in by the front door: everything below `services.py` is handed a clock."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock. Call it for the instant, aware and in UTC."""

    def __call__(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that no clock change can move back."""
        return time.monotonic()
