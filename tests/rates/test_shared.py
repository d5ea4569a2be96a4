"""Counting together in a real Redis, and what becomes of limits without it."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import TypeVar

import pytest
from structlog.testing import capture_logs

from issuer.errors import ConfigurationError, TooManyRequests
from issuer.rates import FailureLimit, RequestLimit
from issuer.rates.rate import Rate
from issuer.rates.shared import SharedCounts
from tests.builders import FakeClock
from tests.redis_server import RedisServer

T = TypeVar("T")
RATE = Rate(10, 60)


def with_processes(
    url: str, clock: FakeClock, use: Callable[[SharedCounts, SharedCounts], Awaitable[T]]
) -> T:
    """What `use` makes of the counts of two processes."""

    async def run() -> T:
        async with AsyncExitStack() as stack:
            both = [SharedCounts(url, "test", RATE.seconds, clock) for _ in range(2)]
            for each in both:
                stack.push_async_callback(each.close)
            return await use(*both)

    return asyncio.run(run())


def test_requests_are_counted_together_exactly(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, other: SharedCounts) -> int:
        limits = [RequestLimit(RATE, clock, each) for each in (one, other)]
        requests = [limit.count("a") for limit in limits for _ in range(20)]
        return (await asyncio.gather(*requests, return_exceptions=True)).count(None)

    assert with_processes(redis_server.url, clock, use) == RATE.most


def test_a_process_knows_of_the_failures_of_another(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, other: SharedCounts) -> None:
        limits = [FailureLimit(RATE, clock, each) for each in (one, other)]
        for number in range(RATE.most):
            await failing(limits[number % 2])
        for limit in limits:
            with pytest.raises(TooManyRequests):
                await failing(limit)
        clock.move(timedelta(minutes=1))
        await failing(limits[0])

    with_processes(redis_server.url, clock, use)


def test_counts_end_by_themselves(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, _: SharedCounts) -> None:
        await one.add("a", 1)

    with_processes(redis_server.url, clock, use)
    (key,) = redis_server.client.keys("*")
    assert 0 < redis_server.client.ttl(key) <= 2 * RATE.seconds


def test_without_redis_each_process_counts_for_itself(clock: FakeClock):
    async def use(one: SharedCounts, other: SharedCounts) -> list[int]:
        limits = [RequestLimit(RATE, clock, each) for each in (one, other)]
        return [await let_through(limit, 30) for limit in limits]

    nowhere = "redis+unix:///nonexistent/redis.sock"
    with capture_logs() as log:
        assert with_processes(nowhere, clock, use) == [RATE.most, RATE.most]
    assert [line["event"] for line in log] == 2 * ["rate_limits_not_shared"]
    assert "nonexistent" not in str(log)


def test_redis_may_go_and_come_again(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, _: SharedCounts) -> list[int]:
        found = [await one.add("a", 1)]
        redis_server.stop()
        found.append(await one.add("a", 1))
        redis_server.start()
        found.append(await one.add("a", 1))  # left alone for a while: nobody waits for it
        clock.move(timedelta(seconds=6))
        found.append(await one.add("a", 1))
        return found

    with capture_logs() as log:
        assert with_processes(redis_server.url, clock, use) == [1, 0, 0, 1]
    assert [line["event"] for line in log] == ["rate_limits_not_shared", "rate_limits_shared_again"]


def test_nobody_waits_for_a_redis_that_hangs(clock: FakeClock):
    async def use(one: SharedCounts, _: SharedCounts) -> list[int]:
        return [await one.add("a", 1) for _ in range(1_000)]

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        assert set(with_processes(url, clock, use)) == {0}


def test_a_count_that_is_no_number_counts_as_nothing(redis_server: RedisServer, clock: FakeClock):
    """Somebody else writes to the key."""

    async def use(one: SharedCounts, other: SharedCounts) -> list[int]:
        await one.add("a", 1)
        (key,) = redis_server.client.keys("*")
        redis_server.client.set(key, "not a number")
        return [await one.add("a", 1), await other.of("a", 1)]

    assert with_processes(redis_server.url, clock, use) == [0, 0]


def test_what_is_no_url_stops_the_start_and_is_not_repeated(clock: FakeClock):
    with pytest.raises(ConfigurationError) as error:
        SharedCounts("redis://:secret@host:port", "test", 60, clock)
    assert "secret" not in str(error.value)


async def failing(limit: FailureLimit) -> None:
    async def check() -> bool:
        return True

    await limit.checked("192.0.2.1", check, is_wrong=bool)


async def let_through(limit: RequestLimit, times: int) -> int:
    requests = (limit.count("a") for _ in range(times))
    return (await asyncio.gather(*requests, return_exceptions=True)).count(None)
