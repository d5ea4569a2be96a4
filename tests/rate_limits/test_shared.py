"""Limits shared through a real Redis, and limits while Redis is unavailable."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import pytest

from issuer.errors import ConfigurationError, TooManyRequests, Unavailable
from issuer.rate_limits.outcome_limit import OutcomeLimit
from issuer.rate_limits.request_limits import Rate, RequestLimit
from issuer.rate_limits.shared import Entry, SharedCounts
from tests.builders import FakeClock
from tests.captured_logs import capture_logs
from tests.journeys.running_issuer import wait_until
from tests.redis_server import RedisServer

T = TypeVar("T")
RATE = Rate(10, 60)


def with_processes(
    url: str, clock: FakeClock, use: Callable[[SharedCounts, SharedCounts], Awaitable[T]]
) -> T:
    """The result of `use` with the counts of two processes."""

    async def run() -> T:
        async with AsyncExitStack() as stack:
            both = [SharedCounts(url, "test", RATE.seconds, clock) for _ in range(2)]
            for each in both:
                stack.push_async_callback(each.close)
            return await use(*both)

    return asyncio.run(run())


def test_requests_of_all_processes_are_counted_exactly(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, other: SharedCounts) -> int:
        limits = [RequestLimit(RATE, clock, each) for each in (one, other)]
        requests = [limit.count("a") for limit in limits for _ in range(20)]
        return (await asyncio.gather(*requests, return_exceptions=True)).count(None)

    assert with_processes(redis_server.url, clock, use) == RATE.most


def test_failures_in_one_process_count_in_another(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, other: SharedCounts) -> None:
        limits = [OutcomeLimit(RATE, clock, each) for each in (one, other)]
        for number in range(RATE.most):
            await failing(limits[number % 2])
        for limit in limits:
            with pytest.raises(TooManyRequests):
                await failing(limit)
        clock.move(timedelta(minutes=1))
        await failing(limits[0])

    with_processes(redis_server.url, clock, use)


def test_two_processes_together_check_no_more_credentials_than_may_fail(
    redis_server: RedisServer, clock: FakeClock
):
    checked = []

    async def check() -> bool:
        checked.append(1)
        for _ in range(5):
            await asyncio.sleep(0)
        return True

    async def use(one: SharedCounts, other: SharedCounts) -> None:
        limits = [OutcomeLimit(RATE, clock, each) for each in (one, other)]
        guesses = [
            limit.run("192.0.2.1", check, counts=bool) for limit in limits for _ in range(30)
        ]
        await asyncio.gather(*guesses, return_exceptions=True)

    with_processes(redis_server.url, FakeClock(), use)
    assert len(checked) == RATE.most


def test_correct_credentials_wait_for_checks_in_another_process(
    redis_server: RedisServer, clock: FakeClock
):
    async def use(one: SharedCounts, other: SharedCounts) -> None:
        window, limit = RATE.window(clock), OutcomeLimit(RATE, clock, one)
        for _ in range(RATE.most):
            await other.enter("192.0.2.1", window, RATE.most)
        loop = asyncio.get_running_loop()
        one_ends = partial(other.leave, "192.0.2.1", window, counts=False)
        clock.while_asleep = lambda: (
            loop.call_soon_threadsafe(one_ends),
            wait_until(lambda: checking(redis_server) < RATE.most, 10, "one has ended"),
        )
        assert await limit.run("192.0.2.1", right, counts=bool) is False

    with_processes(redis_server.url, FakeClock(), use)


def test_checks_of_a_killed_process_count_until_the_next_minute(
    redis_server: RedisServer, clock: FakeClock
):
    async def use(killed: SharedCounts, other: SharedCounts) -> None:
        for _ in range(RATE.most):
            window = RATE.window(clock)
            assert await killed.enter("192.0.2.1", window, RATE.most) is Entry.ENTERED
        limit = OutcomeLimit(RATE, clock, other)
        with pytest.raises(Unavailable):
            await failing(limit)
        clock.move(timedelta(minutes=1))
        await failing(limit)

    with_processes(redis_server.url, FakeClock(), use)


def test_after_one_slow_reply_no_request_waits_for_redis(
    redis_server: RedisServer, clock: FakeClock
):
    """One reply takes 0.45 s; then each process counts for itself until Redis is fast again."""

    async def use(one: SharedCounts, _: SharedCounts) -> list[int]:
        async with slowed(redis_server, one, clock) as slow:
            counted = [await one.add("a", 1)]
            slow.seconds = 0.45
            counted += [await one.add("a", 1) for _ in range(100)]
            clock.move(timedelta(seconds=6))
            counted.append(await one.add("a", 1))
            await retried(one)
            slow.seconds = 0.0
            clock.move(timedelta(seconds=6))
            counted.append(await one.add("a", 1))
            await retried(one)
            return [*counted, await one.add("a", 1)]

    before = clock.monotonic()
    with capture_logs() as log:
        assert with_processes(redis_server.url, clock, use) == [1, 2, *[0] * 101, 3]
    assert clock.monotonic() - before < 12 + 4 * 0.45
    assert [line["event"] for line in log] == ["rate_limits_not_shared", "rate_limits_shared_again"]
    assert log[0]["cause"] == "a reply took 450 ms"


def test_counts_expire_in_redis(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, _: SharedCounts) -> None:
        await one.add("a", 1)

    with_processes(redis_server.url, clock, use)
    (key,) = redis_server.client.keys("*")
    assert 0 < redis_server.client.ttl(key) <= 2 * RATE.seconds


def test_without_redis_each_process_counts_for_itself(clock: FakeClock):
    async def use(one: SharedCounts, other: SharedCounts) -> list[int]:
        limits = [RequestLimit(RATE, clock, each) for each in (one, other)]
        return [await allowed(limit, 30) for limit in limits]

    nowhere = "redis+unix:///nonexistent/redis.sock"
    with capture_logs() as log:
        assert with_processes(nowhere, clock, use) == [RATE.most, RATE.most]
    assert [line["event"] for line in log] == 2 * ["rate_limits_not_shared"]
    assert "nonexistent" not in str(log)


def test_counts_are_shared_again_after_redis_restarts(redis_server: RedisServer, clock: FakeClock):
    async def use(one: SharedCounts, _: SharedCounts) -> list[int]:
        found = [await one.add("a", 1)]
        redis_server.stop()
        found.append(await one.add("a", 1))
        redis_server.start()
        found.append(await one.add("a", 1))  # not retried yet
        clock.move(timedelta(seconds=6))
        found.append(await one.add("a", 1))  # retried in the background
        await retried(one)
        found.append(await one.add("a", 1))
        return found

    with capture_logs() as log:
        assert with_processes(redis_server.url, clock, use) == [1, 0, 0, 0, 1]
    assert [line["event"] for line in log] == ["rate_limits_not_shared", "rate_limits_shared_again"]


def test_no_request_waits_for_a_redis_that_hangs(clock: FakeClock):
    async def use(one: SharedCounts, _: SharedCounts) -> list[int]:
        return [await one.add("a", 1) for _ in range(1_000)]

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        assert set(with_processes(url, clock, use)) == {0}


def test_a_value_that_is_not_a_number_is_ignored(redis_server: RedisServer, clock: FakeClock):
    """Another application wrote to the key."""

    async def use(one: SharedCounts, other: SharedCounts) -> list[int]:
        await one.add("a", 1)
        (key,) = redis_server.client.keys("*")
        redis_server.client.set(key, "not a number")
        return [await one.add("a", 1), await other.add("a", 1)]

    assert with_processes(redis_server.url, clock, use) == [0, 0]


def test_an_invalid_url_stops_the_start_without_being_repeated(clock: FakeClock):
    with pytest.raises(ConfigurationError) as error:
        SharedCounts("redis://:secret@host:port", "test", 60, clock)
    assert "secret" not in str(error.value)


@dataclass
class Slowness:
    """How long each reply takes, on the fake clock."""

    seconds: float = 0.0


@asynccontextmanager
async def slowed(
    server: RedisServer, counts: SharedCounts, clock: FakeClock
) -> AsyncIterator[Slowness]:
    """Delay every command that is sent to Redis."""
    slowness, run = Slowness(), counts._redis.execute_command

    async def execute(*arguments: Any, **more: Any) -> Any:
        answer = await run(*arguments, **more)
        await asyncio.sleep(0)  # an iteration of the event loop, which took no time
        clock.move(timedelta(seconds=slowness.seconds))
        return answer

    counts._redis.execute_command = execute  # type: ignore[method-assign]
    yield slowness


async def right() -> bool:
    return False


def checking(server: RedisServer) -> int:
    (key,) = server.client.keys("*")
    return int(server.client.hget(key, "checking") or 0)


async def retried(counts: SharedCounts) -> None:
    while counts._retrying is not None:
        await asyncio.sleep(0)


async def failing(limit: OutcomeLimit) -> None:
    async def check() -> bool:
        return True

    await limit.run("192.0.2.1", check, counts=bool)


async def allowed(limit: RequestLimit, times: int) -> int:
    requests = (limit.count("a") for _ in range(times))
    return (await asyncio.gather(*requests, return_exceptions=True)).count(None)
