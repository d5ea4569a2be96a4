"""Counts that all processes share, in Redis. Its client needs memory: imported when used."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from issuer.clock import Clock
from issuer.errors import ConfigurationError
from issuer.telemetry.logs import get_logger

if TYPE_CHECKING:
    from redis.asyncio import Redis

SECONDS_TO_ANSWER = 1.0
SLOW = 0.1  # seconds; every token request waits for Redis
SECONDS_BEFORE_RETRY = 5.0
_MAX_CONNECTIONS = 32

# For each key, no more checks run at a time than may still count, in all processes together.
# Checks of a process that is killed count as running until the window ends.
_ENTER = """
local failed = tonumber(redis.call('HGET', KEYS[1], 'failed') or 0)
local checking = tonumber(redis.call('HGET', KEYS[1], 'checking') or 0)
if failed >= tonumber(ARGV[1]) then return 2 end
if failed + checking >= tonumber(ARGV[1]) then return 1 end
redis.call('HINCRBY', KEYS[1], 'checking', 1)
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 0
"""
_LEAVE = """
local checking = redis.call('HINCRBY', KEYS[1], 'checking', -1)
if checking < 0 then redis.call('HDEL', KEYS[1], 'checking') end
redis.call('HINCRBY', KEYS[1], 'failed', ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 0
"""
_ADD = """
local count = redis.call('INCR', KEYS[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
return count
"""

T = TypeVar("T")

log = get_logger(__name__)


class Entry(IntEnum):
    """Whether another check may start."""

    ENTERED = 0
    WAIT = 1  # depends on the results of the running checks
    TOO_MANY = 2
    UNAVAILABLE = 3  # no reply from Redis


class SharedCounts:
    """Counts for each key and window.

    While Redis is unavailable or slow, every process counts for itself and no request waits. The
    change is logged once in each direction.
    """

    def __init__(self, url: str, name: str, seconds: int, clock: Clock) -> None:
        """Counts under `name`, for windows of `seconds`. Does not connect yet."""
        self._redis = _client(url)
        self._prefix = f"agentos-issuer/{name}"
        self._expiry = 2 * seconds
        self._clock = clock
        self._is_unavailable = False
        self._retry_at = 0.0
        self._retrying: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[int]] = set()

    async def open(self) -> None:
        """Connect before the first request. Logs a warning if Redis is unavailable."""
        await self._reply_of(self._ping, None)

    async def add(self, key: str, window: int) -> int:
        """Increment the count of `key`; the new count, or 0 without a reply from Redis."""
        return await self._ask(partial(self._run, _ADD, key, window, self._expiry), 0)

    async def enter(self, key: str, window: int, most: int) -> Entry:
        """Count another running check, if counted and running checks stay within `most`."""
        entering = partial(self._run, _ENTER, key, window, most, self._expiry)
        return Entry(await self._ask(entering, int(Entry.UNAVAILABLE)))

    def leave(self, key: str, window: int, *, counts: bool) -> None:
        """A check that has entered ends. Sent in the background: until then it still counts."""
        leaving = asyncio.create_task(
            self._reply_of(partial(self._run, _LEAVE, key, window, int(counts), self._expiry), 0)
        )
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """Close the connections."""
        if self._retrying is not None:
            await self._retrying
        await asyncio.gather(*self._leaving)
        await self._redis.aclose()

    async def _run(self, script: str, key: str, window: int, *arguments: int) -> int:
        name = f"{self._prefix}/{key}/{window}"
        asked = cast("Awaitable[int]", self._redis.eval(script, 1, name, *map(str, arguments)))
        return int(await asked)

    async def _ping(self) -> None:
        await cast("Awaitable[object]", self._redis.ping())

    async def _ask(self, ask: Callable[[], Awaitable[T]], otherwise: T) -> T:
        if not self._is_unavailable:
            return await self._reply_of(ask, otherwise)
        if self._retrying is None and self._clock.monotonic() >= self._retry_at:
            self._retrying = asyncio.create_task(self._retry())  # in the background
        return otherwise

    async def _retry(self) -> None:
        try:
            await self._reply_of(self._ping, None)  # connects
            if not self._is_unavailable:
                await self._reply_of(self._ping, None)
        finally:
            self._retrying = None

    async def _reply_of(self, ask: Callable[[], Awaitable[T]], otherwise: T) -> T:
        asked_at, round_took = self._clock.monotonic(), 0.0

        def end_round() -> None:
            nonlocal round_took
            round_took = self._clock.monotonic() - asked_at

        # Under load the event loop itself is late: a flood of requests must not end the sharing.
        asyncio.get_running_loop().call_soon(end_round)
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                answer = await ask()
        except Exception as error:  # any: a rate limit must not cause an outage
            # Only the type: the message may contain the URL.
            self._stop_sharing(type(error).__name__)
            return otherwise
        took = self._clock.monotonic() - asked_at
        if took - 2 * round_took > SLOW:
            self._stop_sharing(f"a reply took {took * 1000:.0f} ms")
        elif self._is_unavailable:
            self._is_unavailable = False
            log.info("rate_limits_shared_again")
        return answer

    def _stop_sharing(self, cause: str) -> None:
        self._retry_at = self._clock.monotonic() + SECONDS_BEFORE_RETRY
        if not self._is_unavailable:
            self._is_unavailable = True
            log.warning("rate_limits_not_shared", cause=cause)


def _client(url: str) -> "Redis":
    try:
        from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415 - an extra
        from redis.asyncio.retry import Retry  # noqa: PLC0415 - an extra
        from redis.backoff import NoBackoff  # noqa: PLC0415 - an extra
    except ImportError:
        raise ConfigurationError(
            "ISSUER_RATE_LIMIT_REDIS_URL needs the extra: pip install 'agentos-issuer[redis]'."
        ) from None
    try:
        pool = BlockingConnectionPool.from_url(
            url.removeprefix("redis+") if url.startswith("redis+unix:") else url,
            max_connections=_MAX_CONNECTIONS,
            timeout=SECONDS_TO_ANSWER,
            socket_timeout=SECONDS_TO_ANSWER,
            socket_connect_timeout=SECONDS_TO_ANSWER,
            retry=Retry(NoBackoff(), 0),
        )
    except ValueError:  # its message may contain the password
        raise ConfigurationError(
            "ISSUER_RATE_LIMIT_REDIS_URL must be like redis://:password@host:6379/0."
        ) from None
    return Redis.from_pool(pool)
