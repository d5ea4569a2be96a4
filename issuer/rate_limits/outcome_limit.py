"""A limit of outcomes, such as wrong credentials of a network address."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from issuer.errors import Unavailable
from issuer.rate_limits.request_limits import RateLimit
from issuer.rate_limits.shared import Entry, SharedCounts
from issuer.telemetry.metrics import WRONG_CREDENTIALS

MAX_WAITING = 256
# Between attempts, while other processes check credentials of the same key.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds

T = TypeVar("T")


@dataclass(eq=False)
class OutcomeLimit(RateLimit):
    """At most `rate` checks of a key whose outcome counts. For the event loop only.

    For each key, no more checks run at a time than may still count; with `shared`, in all
    processes together. Others wait for the results: parallel checks gain nothing over sequential
    ones, and none is refused because of others that do not count.
    """

    what: str = "wrong credentials from the address"
    limit: str = WRONG_CREDENTIALS
    _checking: dict[str, "_Checking"] = field(default_factory=dict, init=False)
    _waiting: int = field(default=0, init=False)

    async def run(
        self, key: str, check: Callable[[], Awaitable[T]], *, counts: Callable[[T], bool]
    ) -> T:
        """The result of `check`, counted for the key if `counts(result)`.

        `TooManyRequests`, before the check, beyond the limit. An exception from `check` does not
        count: it reveals nothing about the credentials.
        """
        here = await self._enter(key)
        try:
            window = await self._enter_shared(self.shared, key) if self.shared else None
            is_counted = False
            try:
                result = await check()
                if is_counted := counts(result):
                    self._here.add(key, self.window())  # before the place is free
                return result
            finally:
                if self.shared and window is not None:
                    self.shared.leave(key, window, counts=is_counted)
        finally:
            here.number -= 1
            here.one_ended.set()
            here.one_ended = asyncio.Event()
            if not here.number:
                self._checking.pop(key, None)

    async def _enter(self, key: str) -> "_Checking":
        while True:
            counted = self._here.of(key, self.window())
            if counted >= self.rate.most:
                raise self.too_many()
            checking = self._checking.setdefault(key, _Checking())
            if counted + checking.number < self.rate.most:
                checking.number += 1
                return checking
            await self._wait(checking)

    async def _wait(self, checking: "_Checking") -> None:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Too many requests of one address or user are waiting.")
        self._waiting += 1
        try:
            await checking.one_ended.wait()
        finally:
            self._waiting -= 1

    async def _enter_shared(self, shared: SharedCounts, key: str) -> int | None:
        """The window in which Redis counts it; None while Redis is unavailable."""
        for pause in _PAUSES:
            window = self.window()
            match await shared.enter(key, window, self.rate.most):
                case Entry.ENTERED:
                    return window
                case Entry.UNAVAILABLE:
                    return None
                case Entry.TOO_MANY:
                    raise self.too_many()
            await self.clock.sleep(pause)
        raise Unavailable("Other processes are checking too many requests of one address or user.")


@dataclass(slots=True)
class _Checking:
    """The checks in progress for one key; removed when there are none."""

    number: int = 0
    one_ended: asyncio.Event = field(default_factory=asyncio.Event)
