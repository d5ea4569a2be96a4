"""Load is shed early: who would have to wait too long is told so at once."""

import asyncio

from issuer.clock import Clock
from issuer.errors import Unavailable

_MAX_ROUND = 0.5  # seconds


class Rounds:
    """How long the event loop has been busy with what came in at once.

    In a round of the loop, requests are answered one after the other, and those that come
    meanwhile are the next round: were all of them answered, a server that is asked for more than
    it can do would take longer with each, and recover from it late.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began_at: float | None = None

    def require_time(self) -> None:
        """`Unavailable` for a request whose turn comes too late in its round."""
        now = self._clock.monotonic()
        if self._began_at is None:
            self._began_at = now
            asyncio.get_running_loop().call_soon(self._end)  # runs in the round after this one
        elif now - self._began_at > _MAX_ROUND:
            raise Unavailable("More requests came at once than can be answered.")

    def _end(self) -> None:
        self._began_at = None
