"""The pool for password hashes: no user and no network holds it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from threading import Event

import pytest

from issuer.background.workers import WorkerPool
from issuer.errors import TooManyRequests
from issuer.rate_limits.limits import build_limits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.settings import Settings
from tests.builders import FakeClock

WORKERS = 2
TOOK = timedelta(seconds=0.1)
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


class Hashing:
    """A pool whose hashes end when they are told to; `begun` names the users, in order."""

    def __init__(self, clock: FakeClock, rate: str = "60/minute") -> None:
        self.clock = clock
        self.threads = WorkerPool("passwords", WORKERS, 16)
        limits = build_limits(
            Settings.from_environment({"ISSUER_RATE_LIMIT_PASSWORDS": rate}), clock
        )
        self._pool = PasswordPool(self.threads, limits, clock)
        self.begun: list[str] = []
        self.may_end = Event()

    def run(self, user: str, network: str = HERE, *, is_wrong: bool = False) -> Awaitable[str]:
        def hash_password() -> str:
            self.begun.append(user)
            assert self.may_end.wait(60)
            self.clock.move(TOOK)
            return user

        return self._pool.run(
            user,
            network,
            hash_password,
            is_right=lambda _: not is_wrong,
            is_wrong=lambda _: is_wrong,
        )


@pytest.fixture
def hashing(clock: FakeClock) -> Iterator[Hashing]:
    made = Hashing(clock)
    yield made
    made.may_end.set()
    made.threads.stop()


async def as_far_as_they_come(*requests: Awaitable[str]) -> list[asyncio.Future[str]]:
    """The requests, after those that may have entered the pool have done so."""
    tasks = [asyncio.ensure_future(each) for each in requests]
    for _ in range(20):
        await asyncio.sleep(0)
    return tasks


def test_one_user_has_one_hash_under_way_and_others_are_next(hashing: Hashing):
    async def attack() -> list[str]:
        attacking = await as_far_as_they_come(*(hashing.run("mallory") for _ in range(24)))
        assert hashing.threads.inside == 1
        elsewhere = await as_far_as_they_come(hashing.run("mallory", ELSEWHERE))
        assert hashing.threads.inside == 1
        others = await as_far_as_they_come(hashing.run("bob", ELSEWHERE))
        assert hashing.threads.inside == WORKERS
        hashing.may_end.set()
        return await asyncio.gather(*others, *elsewhere, *attacking)

    assert len(asyncio.run(attack())) == 26
    assert "bob" in hashing.begun[:WORKERS]


def test_one_network_has_as_many_hashes_under_way_as_there_are_threads(hashing: Hashing):
    async def attack() -> None:
        attacking = await as_far_as_they_come(*(hashing.run(f"user-{n}") for n in range(24)))
        assert hashing.threads.inside == WORKERS
        others = await as_far_as_they_come(hashing.run("bob", ELSEWHERE))
        assert hashing.threads.inside == WORKERS + 1
        hashing.may_end.set()
        await asyncio.gather(*others, *attacking)

    asyncio.run(attack())
    assert "bob" in hashing.begun[: WORKERS + 1]


def test_requests_of_one_user_do_not_fill_the_queue(hashing: Hashing):
    async def attack() -> list[str | BaseException]:
        attacking = await as_far_as_they_come(*(hashing.run("mallory") for _ in range(100)))
        assert sum(each.done() for each in attacking) > 50
        others = await as_far_as_they_come(hashing.run("bob"))
        hashing.may_end.set()
        await asyncio.gather(*others)
        return await asyncio.gather(*attacking, return_exceptions=True)

    refused = [each for each in asyncio.run(attack()) if not isinstance(each, str)]
    assert {type(each) for each in refused} == {TooManyRequests}


def test_a_user_leaves_as_much_time_to_others_as_a_hash_takes(hashing: Hashing):
    hashing.may_end.set()
    began = hashing.clock()

    async def in_turn() -> None:
        await asyncio.gather(*(hashing.run("mallory") for _ in range(3)))

    asyncio.run(in_turn())
    assert hashing.clock() - began == 5 * TOOK


def in_a_row(run: Callable[[], Awaitable[str]], times: int) -> int:
    """How many of so many requests are not refused."""

    async def one_by_one() -> int:
        done = 0
        for _ in range(times):
            try:
                await run()
            except TooManyRequests:
                continue
            done += 1
        return done

    return asyncio.run(one_by_one())


@pytest.mark.parametrize("rate", ["5/minute"])
def test_right_passwords_of_a_user_and_of_a_network_are_limited(clock: FakeClock, rate: str):
    hashing = Hashing(clock, rate)
    hashing.may_end.set()
    assert in_a_row(lambda: hashing.run("mallory"), 20) == len(hashing.begun) == 5
    assert in_a_row(lambda: hashing.run("mallory", ELSEWHERE), 5) == 0
    users = iter(range(100))
    clock.now = clock.now.replace(second=0) + timedelta(minutes=5)
    held = clock.now

    def run() -> Awaitable[str]:
        clock.now = held  # within one minute
        return hashing.run(f"user-{next(users)}")

    assert in_a_row(run, 60) == 50
    assert in_a_row(lambda: hashing.run("bob", ELSEWHERE), 1) == 1


def test_wrong_passwords_of_others_do_not_use_up_what_a_user_may(clock: FakeClock):
    hashing = Hashing(clock, "1/minute")
    hashing.may_end.set()
    assert in_a_row(lambda: hashing.run("alice", ELSEWHERE, is_wrong=True), 5) == 5
    assert in_a_row(lambda: hashing.run("alice"), 1) == 1


def test_beyond_the_limit_of_a_user_no_password_is_hashed_right_or_wrong(clock: FakeClock):
    hashing = Hashing(clock, "1/minute")
    hashing.may_end.set()
    assert in_a_row(lambda: hashing.run("alice"), 1) == 1
    assert in_a_row(lambda: hashing.run("alice", ELSEWHERE), 1) == 0
    assert in_a_row(lambda: hashing.run("alice", ELSEWHERE, is_wrong=True), 1) == 0
    assert hashing.begun == ["alice"]
