"""At most so many requests of one user or network at a time, in order of arrival."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from issuer.errors import Unavailable

_MAX_WAITING = 64


class ConcurrencyLimit:
    """`at_once` of each key run at most, and `max_waiting` wait. For the event loop only.

    `Unavailable` for more.
    """

    def __init__(self, at_once: int, max_waiting: int = _MAX_WAITING) -> None:
        self._at_once = at_once
        self._most = at_once + max_waiting
        self._inside: dict[str, int] = {}
        self._semaphores: dict[str, asyncio.Semaphore] = {}

    @asynccontextmanager
    async def slot(self, key: str) -> AsyncIterator[None]:
        """Wait for a slot, and hold it until the end of the context."""
        inside = self._inside.get(key, 0)
        if inside >= self._most:
            raise Unavailable("Too many requests of one address or user are waiting.")
        self._inside[key] = inside + 1
        semaphore = self._semaphores.setdefault(key, asyncio.Semaphore(self._at_once))
        try:
            async with semaphore:
                yield
        finally:
            self._inside[key] -= 1
            if not self._inside[key]:
                del self._inside[key], self._semaphores[key]
