"""The limit of wrong credentials per network address."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any

import pytest

from issuer.errors import TooManyRequests, Unavailable
from issuer.rate_limits.outcome_limit import OutcomeLimit
from issuer.rate_limits.request_limits import Rate
from tests.builders import FakeClock

WRONG, RIGHT, BREAKS = "wrong", "right", "breaks"
ADDRESS = "192.0.2.1"


class Checker:
    """Checks credentials within a limit; each check takes a few iterations of the event loop."""

    def __init__(self, limit: OutcomeLimit) -> None:
        self._limit = limit
        self.checks = 0
        self.max_at_once = 0
        self._under_way = 0

    async def __call__(self, credentials: str, network: str = ADDRESS) -> str:
        try:
            return await self._limit.run(
                network, lambda: self._check(credentials), counts=lambda result: result == WRONG
            )
        except TooManyRequests:
            return "too many"
        except Unavailable:
            return "unavailable"

    async def _check(self, credentials: str) -> str:
        self.checks += 1
        self._under_way += 1
        self.max_at_once = max(self.max_at_once, self._under_way)
        for _ in range(3):
            await asyncio.sleep(0)
        self._under_way -= 1
        if credentials == BREAKS:
            raise Unavailable("The database is unavailable.")
        return credentials


@pytest.fixture
def check(clock: FakeClock) -> Checker:
    return Checker(OutcomeLimit(Rate(60, 60), clock))


def together(*requests: Coroutine[Any, Any, str]) -> Counter[str]:
    async def gathered() -> list[str]:
        return await asyncio.gather(*requests)

    return Counter(asyncio.run(gathered()))


def test_of_a_thousand_parallel_guesses_sixty_are_checked(check: Checker):
    found = together(*(check(WRONG) for _ in range(1_000)))
    assert found[WRONG] == check.checks == 60
    assert found["too many"] + found["unavailable"] == 940


def test_of_a_thousand_sequential_guesses_sixty_are_checked(check: Checker):
    found = Counter(asyncio.run(check(WRONG)) for _ in range(1_000))
    assert (found, check.checks) == ({WRONG: 60, "too many": 940}, 60)


def test_correct_credentials_of_one_address_are_never_refused(check: Checker):
    """They wait for each other while all running checks could still fail."""
    assert together(*(check(RIGHT) for _ in range(300))) == {RIGHT: 300}
    assert check.max_at_once == 60


def test_after_sixty_wrong_guesses_correct_credentials_are_refused_too(check: Checker):
    found = together(*(check(WRONG if number % 2 else RIGHT) for number in range(300)))
    assert found[WRONG] == 60
    assert found["too many"] > 0
    assert asyncio.run(check(RIGHT)) == "too many"


def test_requests_beyond_the_queue_are_unavailable(check: Checker):
    found = together(*(check(RIGHT) for _ in range(1_000)))
    assert found == {RIGHT: 60 + 256, "unavailable": 1_000 - 60 - 256}


def test_the_limit_starts_again_in_the_next_minute(check: Checker, clock: FakeClock):
    together(*(check(WRONG) for _ in range(100)))
    clock.move(timedelta(minutes=1))
    assert together(*(check(WRONG) for _ in range(100))) == {WRONG: 60, "too many": 40}


def test_addresses_are_limited_separately(check: Checker):
    together(*(check(WRONG) for _ in range(100)))
    assert asyncio.run(check(RIGHT, "192.0.2.2")) == RIGHT


def test_an_exception_in_a_check_does_not_count_as_failure(check: Checker):
    together(*(check(BREAKS) for _ in range(200)))
    assert asyncio.run(check(RIGHT)) == RIGHT


def test_a_cancelled_request_frees_its_place(clock: FakeClock):
    async def cancel_beside_another() -> str:
        check = Checker(OutcomeLimit(Rate(1, 60), clock))
        first, second = (asyncio.create_task(check(RIGHT)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(cancel_beside_another()) == RIGHT


def test_the_refusal_has_retry_after(clock: FakeClock):
    """The fake clock starts half a second after a full minute."""
    limit = OutcomeLimit(Rate(1, 60), clock)
    asyncio.run(Checker(limit)(WRONG))
    clock.move(timedelta(seconds=20))
    with pytest.raises(TooManyRequests) as refused:
        asyncio.run(limit.run(ADDRESS, asyncio.Event().wait, counts=bool))
    assert refused.value.retry_after == 40
