"""Load shedding: the time of one iteration of the event loop is limited."""

import asyncio
from datetime import timedelta

import pytest

from issuer.errors import Unavailable
from issuer.oauth.endpoint import LoadShedder
from tests.builders import FakeClock

LONG = timedelta(seconds=0.2)


async def arriving(shedder: LoadShedder, clock: FakeClock, number: int) -> list[bool]:
    """Slow requests that arrive together; for each, whether it is answered."""

    async def request() -> bool:
        try:
            shedder.require_time()
        except Unavailable:
            return False
        clock.move(LONG)
        return True

    return await asyncio.gather(*(request() for _ in range(number)))


@pytest.fixture
def shedder(clock: FakeClock) -> LoadShedder:
    return LoadShedder(clock)


def test_a_request_too_late_in_an_iteration_is_refused_at_once(
    shedder: LoadShedder, clock: FakeClock
):
    assert asyncio.run(arriving(shedder, clock, 6)) == [True] * 3 + [False] * 3


def test_the_next_iteration_starts_from_zero(shedder: LoadShedder, clock: FakeClock):
    async def twice() -> list[list[bool]]:
        return [await arriving(shedder, clock, 4), await arriving(shedder, clock, 2)]

    assert asyncio.run(twice()) == [[True, True, True, False], [True, True]]


def test_idle_time_does_not_count(shedder: LoadShedder, clock: FakeClock):
    async def rarely() -> list[bool]:
        answered = []
        for _ in range(5):
            answered += await arriving(shedder, clock, 1)
            clock.move(timedelta(minutes=1))
        return answered

    assert asyncio.run(rarely()) == [True] * 5


@pytest.mark.parametrize(("status", "seconds"), [(503, 1), (429, 1), (400, 0), (401, 0)])
def test_many_429_and_503_responses_are_sent_at_a_bounded_pace(
    shedder: LoadShedder, clock: FakeClock, status: int, seconds: int
):
    began = clock.monotonic()

    async def refuse() -> None:
        for _ in range(101):
            await shedder.pace(status, "192.0.2.1")

    asyncio.run(refuse())
    assert clock.monotonic() == began + seconds
