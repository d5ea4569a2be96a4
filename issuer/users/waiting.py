"""Waiting while other sign-in attempts decide whether a password may be tried."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from issuer.clock import Clock
from issuer.users.guard import AttemptsUnderWay

# Most attempts take tens of milliseconds.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5)  # seconds

T = TypeVar("T")


async def waiting_for_others(clock: Clock, attempt: Callable[[bool], Awaitable[T]]) -> T:
    """The result of `attempt(may_wait)`, tried again while it raises `AttemptsUnderWay`."""
    for pause in _PAUSES:
        try:
            return await attempt(True)
        except AttemptsUnderWay:
            await clock.sleep(pause)
    return await attempt(False)
