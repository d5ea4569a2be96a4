"""So many in a second or a minute, and which second or minute it is."""

from dataclasses import dataclass
from typing import Self

from issuer.clock import Clock

_SECONDS = {"second": 1, "minute": 60}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `most` in each second or minute of the clock.

    Not in any sixty seconds: what ends at a time everybody knows needs one number for a key, is
    forgotten all at once, and the same for every process.
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
        """The number of the second or minute it is."""
        return int(clock().timestamp()) // self.seconds

    def seconds_left(self, clock: Clock) -> int:
        """Until the next one, rounded up: fit for `Retry-After`."""
        return self.seconds - int(clock().timestamp()) % self.seconds
