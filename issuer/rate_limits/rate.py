"""A rate per second or minute, in fixed windows; the pace at which refusals are sent."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Self

from issuer.clock import Clock
from issuer.fields.networks import network_of

_SECONDS = {"second": 1, "minute": 60}
MAX_KEYS = 100_000
# Of `RefusalPace`.
_PER_SECOND = 100
_MAX_WAITING = 1_024


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


class WindowCounts:
    """A count per key. For the event loop only: it has no lock.

    A new window starts from zero. Beyond `max_keys`, the least recently counted key is dropped:
    counting each address does not stop an attacker with that many.
    """

    def __init__(self, max_keys: int = MAX_KEYS) -> None:
        self._max_keys = max_keys
        self._window = 0
        self._counts: OrderedDict[str, int] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def of(self, key: str, window: int) -> int:
        """How often `key` was counted in the window."""
        return self._in(window).get(key, 0)

    def add(self, key: str, window: int) -> int:
        """Increment the count of `key`; the new count."""
        counts = self._in(window)
        counts[key] = count = counts.get(key, 0) + 1
        counts.move_to_end(key)
        if len(counts) > self._max_keys:
            counts.popitem(last=False)
        return count

    def _in(self, window: int) -> OrderedDict[str, int]:
        if window != self._window:
            self._window = window
            self._counts = OrderedDict()
        return self._counts


@dataclass(eq=False)
class RefusalPace:
    """Delays refusals to one address beyond `per_second` to the next second. For the event loop.

    A caller that repeats a refused request at once would otherwise use as much of the server as
    callers that succeed. No request is refused because of it; successful responses never wait.
    """

    clock: Clock
    per_second: int = _PER_SECOND
    _refused: WindowCounts = field(default_factory=WindowCounts, init=False)
    _waiting: int = field(default=0, init=False)

    async def wait(self, address: str | None) -> None:
        """Wait until another refusal may be sent to the address."""
        now = self.clock.monotonic()
        second = int(now)
        if self._refused.add(network_of(address), second) <= self.per_second:
            return
        if self._waiting >= _MAX_WAITING:
            return
        self._waiting += 1
        try:
            await self.clock.sleep(second + 1 - now)
        finally:
            self._waiting -= 1
