"""What this process has counted in the current window."""

from collections import OrderedDict

MAX_KEYS = 100_000


class WindowCounts:
    """A number for each key. For the event loop alone: no lock.

    A new window forgets all of the last one. Beyond `most_keys` the key not counted for longest
    is forgotten: who commands so many addresses is not stopped by counting each of them.
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
        """Count once more; how often that is by now."""
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
