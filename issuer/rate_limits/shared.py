"""Counts that all processes share, in Redis.

The client is imported only where it is asked for: it costs memory.
"""

import asyncio
from collections.abc import Awaitable, Callable
from enum import IntEnum
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import structlog

from issuer.clock import Clock
from issuer.errors import ConfigurationError

if TYPE_CHECKING:
    from redis.asyncio import Redis

SECONDS_TO_ANSWER = 1.0
SLOW = 0.1  # seconds: slower answers would cost every token that
SECONDS_LEFT_ALONE = 5.0
_MAX_CONNECTIONS = 32

# Of one address no more are being checked than may still fail, in all processes together. What a
# process that dies was checking counts as being checked until the window is over.
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

log = structlog.get_logger(__name__)


class Entry(IntEnum):
    """Whether one more may be checked."""

    ENTERED = 0
    WAIT = 1  # it depends on how those end that are being checked
    TOO_MANY = 2
    AWAY = 3  # Redis does not say


class SharedCounts:
    """Counts for each key and window. Where Redis is away or slow, every process counts for
    itself and nobody waits for it; the log says so once, and again when it is back."""

    def __init__(self, url: str, name: str, seconds: int, clock: Clock) -> None:
        """Counts called `name`, for windows of `seconds`. Nothing is asked of Redis yet."""
        self._redis = _client(url)
        self._prefix = f"agentos-issuer/{name}"
        self._expiry = 2 * seconds
        self._clock = clock
        self._is_away = False
        self._left_alone_until = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[int]] = set()

    async def open(self) -> None:
        """Connect before the first request comes; the log says so if Redis is away."""
        await self._answer_of(self._ping, None)

    async def add(self, key: str, window: int) -> int:
        """Count once more; how often that is by now, 0 if Redis does not say."""
        return await self._ask(partial(self._run, _ADD, key, window, self._expiry), 0)

    async def enter(self, key: str, window: int, most: int) -> Entry:
        """Count one more that is being checked, if no more than `most` could then have failed."""
        entering = partial(self._run, _ENTER, key, window, most, self._expiry)
        return Entry(await self._ask(entering, int(Entry.AWAY)))

    def leave(self, key: str, window: int, *, failed: bool) -> None:
        """One that has entered is checked, and has `failed` or not.

        Nobody waits until Redis knows: until then it counts as being checked.
        """
        leaving = asyncio.create_task(
            self._answer_of(partial(self._run, _LEAVE, key, window, int(failed), self._expiry), 0)
        )
        self._leaving.add(leaving)
        leaving.add_done_callback(self._leaving.discard)

    async def close(self) -> None:
        """End the connections."""
        if self._looking is not None:
            await self._looking
        await asyncio.gather(*self._leaving)
        await self._redis.aclose()

    async def _run(self, script: str, key: str, window: int, *arguments: int) -> int:
        name = f"{self._prefix}/{key}/{window}"
        asked = cast("Awaitable[int]", self._redis.eval(script, 1, name, *map(str, arguments)))
        return int(await asked)

    async def _ping(self) -> None:
        await cast("Awaitable[object]", self._redis.ping())

    async def _ask(self, ask: Callable[[], Awaitable[T]], otherwise: T) -> T:
        if not self._is_away:
            return await self._answer_of(ask, otherwise)
        if self._looking is None and self._clock.monotonic() >= self._left_alone_until:
            self._looking = asyncio.create_task(self._look_again())  # and nobody waits for it
        return otherwise

    async def _look_again(self) -> None:
        try:
            await self._answer_of(self._ping, None)  # connects
            if not self._is_away:
                await self._answer_of(self._ping, None)
        finally:
            self._looking = None

    async def _answer_of(self, ask: Callable[[], Awaitable[T]], otherwise: T) -> T:
        asked_at, round_took = self._clock.monotonic(), 0.0

        def end_round() -> None:
            nonlocal round_took
            round_took = self._clock.monotonic() - asked_at

        # An event loop under load is late itself: a flood must not end the sharing.
        asyncio.get_running_loop().call_soon(end_round)
        try:
            async with asyncio.timeout(SECONDS_TO_ANSWER):
                answer = await ask()
        except Exception as error:  # whatever it is: a limit must not be an outage
            # The type alone: what it says may hold the URL.
            self._leave_alone(type(error).__name__)
            return otherwise
        took = self._clock.monotonic() - asked_at
        if took - 2 * round_took > SLOW:
            self._leave_alone(f"an answer took {took * 1000:.0f} ms")
        elif self._is_away:
            self._is_away = False
            log.info("rate_limits_shared_again")
        return answer

    def _leave_alone(self, cause: str) -> None:
        self._left_alone_until = self._clock.monotonic() + SECONDS_LEFT_ALONE
        if not self._is_away:
            self._is_away = True
            log.warning("rate_limits_not_shared", cause=cause)


def _client(url: str) -> "Redis":
    try:
        from redis.asyncio import BlockingConnectionPool, Redis  # noqa: PLC0415
        from redis.asyncio.retry import Retry  # noqa: PLC0415
        from redis.backoff import NoBackoff  # noqa: PLC0415
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
    except ValueError:  # what it says may hold the password
        raise ConfigurationError(
            "ISSUER_RATE_LIMIT_REDIS_URL must be like redis://:password@host:6379/0."
        ) from None
    return Redis.from_pool(pool)
