"""Each client has a queue, and leaves half of the time to others."""

import asyncio
from datetime import timedelta

import pytest

from issuer.errors import TooManyRequests
from issuer.rate_limits.request_limits import ClientQueues
from tests.builders import FakeClock

TOOK = 0.25


class QueuedRequests:
    """QueuedRequests that each take `TOOK` seconds, and what happened when."""

    def __init__(self, clock: FakeClock, **limits: int) -> None:
        self._clock = clock
        self._queues = ClientQueues(clock, **limits)
        self._began_at = clock.monotonic()
        self.begun: list[tuple[str, float]] = []
        self.under_way = self.most_under_way = 0

    async def run(self, client_id: str = "ci", took: float = TOOK) -> None:
        async def request() -> None:
            self.begun.append((client_id, self._clock.monotonic() - self._began_at))
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            await asyncio.sleep(0)
            self._clock.move(timedelta(seconds=took))
            self.under_way -= 1

        await self._queues.run(client_id, request)

    async def run_together(self, *client_ids: str) -> list[object]:
        return await asyncio.gather(*map(self.run, client_ids), return_exceptions=True)


@pytest.fixture
def requests(clock: FakeClock) -> QueuedRequests:
    return QueuedRequests(clock, max_waiting=3, max_clients=2)


def test_requests_of_a_client_run_one_after_the_other_with_pauses(requests: QueuedRequests):
    asyncio.run(requests.run_together("ci", "ci", "ci"))
    assert requests.begun == [("ci", 0), ("ci", 2 * TOOK), ("ci", 4 * TOOK)]
    assert requests.most_under_way == 1


def test_requests_of_several_clients_run_at_once_without_pauses(
    requests: QueuedRequests, clock: FakeClock
):
    pauses = []
    clock.while_asleep = lambda: pauses.append(clock.now)
    asyncio.run(requests.run_together("ci", "cd"))
    assert requests.most_under_way == 2
    assert not pauses


def test_a_client_that_asks_later_does_not_wait(requests: QueuedRequests, clock: FakeClock):
    async def twice() -> None:
        await requests.run()
        clock.move(timedelta(seconds=TOOK))
        await requests.run()

    asyncio.run(twice())
    assert requests.begun == [("ci", 0), ("ci", 2 * TOOK)]


def test_a_pause_takes_a_second_at_most(requests: QueuedRequests):
    async def twice() -> None:
        await requests.run(took=60)
        await requests.run()

    asyncio.run(twice())
    assert requests.begun == [("ci", 0), ("ci", 61)]


def test_beyond_the_limit_a_request_of_that_client_is_refused(requests: QueuedRequests):
    results = asyncio.run(requests.run_together("ci", "ci", "ci", "ci", "cd"))
    refused = [each for each in results if each is not None]
    assert [type(each) for each in refused] == [TooManyRequests]
    assert results.index(refused[0]) == 3


def test_a_request_that_fails_or_is_cancelled_leaves_its_place(requests: QueuedRequests):
    async def fail() -> None:
        raise ValueError

    async def many() -> None:
        for _ in range(5):
            with pytest.raises(ValueError):
                await requests._queues.run("ci", fail)
            waiting = asyncio.gather(requests.run(), requests.run())
            await asyncio.sleep(0)
            waiting.cancel()
        await requests.run()

    asyncio.run(many())
    assert requests.begun[-1][0] == "ci"


def test_no_more_clients_are_remembered_than_the_limit(requests: QueuedRequests):
    async def many() -> None:
        for number in range(5):
            await requests.run(str(number))

    asyncio.run(many())
    assert len(requests._queues._queues) == 2
