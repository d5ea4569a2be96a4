"""A rate per second or minute, in fixed windows."""

from dataclasses import dataclass
from typing import Self

from issuer.clock import Clock

_SECONDS = {"second": 1, "minute": 60}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` in each second or minute of the clock.

    A fixed window, not a sliding one: it needs one number per key, can be discarded at once, and
    is the same in every process.
    """

    most: int
    seconds: int

    @classmethod
    def read(cls, text: str) -> Self | None:
        """The rate of a setting, such as `60/minute`; None for `off`."""
        if text == "off":
            return None
        number, _, unit = text.partition("/")
        return cls(int(number), _SECONDS[unit])

    def window(self, clock: Clock) -> int:
        """The number of the current window."""
        return int(clock().timestamp()) // self.seconds

    def seconds_left(self, clock: Clock) -> int:
        """Seconds until the next window, rounded up, for `Retry-After`."""
        return self.seconds - int(clock().timestamp()) % self.seconds
