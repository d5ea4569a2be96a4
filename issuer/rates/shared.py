"""Counts that all processes share, in Redis, through the library `limits`.

The library is imported only where it is asked for: with its client it costs 30 MB. Its counts in
memory are not used: each hit looks at every key there is, 6 ms for 10,000 of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import structlog

from issuer.clock import Clock
from issuer.errors import ConfigurationError

if TYPE_CHECKING:
    from limits.aio.storage import RedisStorage
    from limits.aio.storage.redis.redispy import RedispyBridge

# Longer than an event loop under load is late: else a flood would end the sharing.
SECONDS_TO_ANSWER = 1.0
SECONDS_LEFT_ALONE = 5.0

log = structlog.get_logger(__name__)


class SharedCounts:
    """A number for each key and window. While Redis is away it is 0, and the log says so:
    then every process counts for itself, and nobody waits."""

    def __init__(self, url: str, name: str, seconds: int, clock: Clock) -> None:
        """Counts called `name`, for windows of `seconds`. Nothing is asked of Redis yet."""
        self._storage = _storage(url, name)
        self._expiry = 2 * seconds
        self._clock = clock
        self._is_away = False
        self._left_alone_until = float("-inf")

    async def open(self) -> None:
        """Connect before the first request comes; the log says so if Redis is away."""
        await self.of("start", 0)

    async def of(self, key: str, window: int) -> int:
        """How often `key` was counted in the window, by all processes."""
        return await self._ask(partial(self._storage.get, f"{key}/{window}"))

    async def add(self, key: str, window: int) -> int:
        """Count once more; how often that is by now."""
        return await self._ask(partial(self._storage.incr, f"{key}/{window}", self._expiry))

    async def close(self) -> None:
        """End the connections."""
        client: Any = cast("RedispyBridge", self._storage.bridge).get_connection()
        await client.aclose()

    async def _ask(self, ask: Callable[[], Awaitable[int]]) -> int:
        if self._clock.monotonic() < self._left_alone_until:
            return 0
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                count = await ask()
        except Exception as error:  # whatever it is: a limit must not be an outage
            self._leave_alone(error)
            return 0
        if self._is_away:
            self._is_away = False
            log.info("rate_limits_shared_again")
        return count

    def _leave_alone(self, error: Exception) -> None:
        self._left_alone_until = self._clock.monotonic() + SECONDS_LEFT_ALONE
        if not self._is_away:
            self._is_away = True
            # The type alone: what it says may hold the URL.
            log.warning("rate_limits_not_shared", cause=type(error).__name__)


def _storage(url: str, name: str) -> "RedisStorage":
    try:
        import redis  # noqa: F401, PLC0415 - the client, which `limits` looks for
        from limits.aio.storage import RedisStorage  # noqa: PLC0415
        from limits.errors import ConfigurationError as WrongUrl  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "ISSUER_RATE_LIMIT_REDIS_URL needs the extra: pip install 'agentos-issuer[redis]'."
        ) from None
    try:
        return RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix=f"agentos-issuer/{name}",
            socket_timeout=SECONDS_TO_ANSWER,
            socket_connect_timeout=SECONDS_TO_ANSWER,
        )
    except (ValueError, WrongUrl):  # what they say may hold the password
        raise ConfigurationError(
            "ISSUER_RATE_LIMIT_REDIS_URL must be like redis://:password@host:6379/0."
        ) from None
