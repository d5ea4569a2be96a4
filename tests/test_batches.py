"""Work in batches: many callers share one run of it."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from issuer.background.batches import BatchWorker
from issuer.errors import Unavailable
from tests.journeys.running_issuer import polls


class Squares:
    """Squares numbers, and keeps each batch. -1 fails, with -2 the work is unavailable."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        if -1 in numbers:
            raise ValueError("wrong")
        if -2 in numbers:
            raise Unavailable("unavailable")
        return [number * number for number in numbers]


@contextmanager
def started(worker: BatchWorker[int, int]) -> Iterator[BatchWorker[int, int]]:
    worker.start()
    yield worker
    worker.stop()


def all_of(worker: BatchWorker[int, int], numbers: Sequence[int]) -> list[int | BaseException]:
    async def ask() -> list[int | BaseException]:
        return await asyncio.gather(*map(worker.run, numbers), return_exceptions=True)

    return asyncio.run(ask())


def test_callers_share_batches_and_each_gets_its_result():
    squares = Squares()
    with started(BatchWorker("squares", squares)) as worker:
        assert all_of(worker, range(50)) == [number * number for number in range(50)]
    assert [number for batch in squares.batches for number in batch] == list(range(50))
    assert len(squares.batches) < 10


def test_a_batch_begins_while_the_event_loop_is_busy():
    squares = Squares()

    async def ask(worker: BatchWorker[int, int]) -> None:
        asked = [asyncio.create_task(worker.run(number)) for number in range(50)]
        await asyncio.sleep(0)
        for _ in polls(10):  # in the same round of the event loop
            if squares.batches:
                break
        assert squares.batches
        await asyncio.gather(*asked)

    with started(BatchWorker("squares", squares)) as worker:
        asyncio.run(ask(worker))


def test_an_item_that_fails_fails_alone():
    with started(BatchWorker("squares", Squares())) as worker:
        first, failed, last = all_of(worker, [2, -1, 3])
        assert (first, last, worker.failure) == (4, 9, None)
        assert isinstance(failed, ValueError)


def test_what_is_unavailable_fails_the_batch_and_not_the_worker():
    squares = Squares()
    with started(BatchWorker("squares", squares)) as worker:
        assert {type(result) for result in all_of(worker, [2, -2, 3])} == {Unavailable}
        assert worker.failure is not None
        assert all_of(worker, [2]) == [4]
        assert worker.failure is None
    assert squares.batches == [[2, -2, 3], [2]]


def test_items_beyond_the_most_that_may_wait_are_refused():
    with started(BatchWorker("squares", Squares(), max_waiting=2)) as worker:
        *answered, refused = all_of(worker, [1, 2, 3])
    assert answered == [1, 4]
    assert isinstance(refused, Unavailable)


def test_what_its_caller_gave_up_is_not_done():
    squares = Squares()
    worker = BatchWorker("squares", squares)

    async def ask() -> None:
        given_up, kept = (asyncio.create_task(worker.run(number)) for number in (1, 2))
        await asyncio.sleep(0)
        given_up.cancel()
        worker.start()
        assert await kept == 4

    asyncio.run(ask())
    worker.stop()
    assert squares.batches == [[2]]


def test_what_was_given_up_while_its_batch_failed_is_not_repeated():
    squares = Squares()
    tasks: list[asyncio.Task[int]] = []

    async def give_up() -> None:
        tasks[0].cancel()

    def work(numbers: Sequence[int]) -> list[int]:
        if len(numbers) > 1:
            asyncio.run_coroutine_threadsafe(give_up(), tasks[0].get_loop()).result()
        return squares(numbers)

    worker = BatchWorker("squares", work)

    async def ask() -> None:
        tasks.extend(asyncio.create_task(worker.run(number)) for number in (1, -1, 2))
        await asyncio.sleep(0)
        worker.start()
        cancelled, failed, done = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(cancelled, asyncio.CancelledError)
        assert isinstance(failed, ValueError)
        assert done == 4

    asyncio.run(ask())
    worker.stop()
    assert squares.batches == [[1, -1, 2], [-1], [2]]


def test_stopping_does_what_is_waiting():
    worker = BatchWorker("squares", Squares())

    async def ask() -> list[int]:
        waiting = [asyncio.create_task(worker.run(number)) for number in (1, 2)]
        await asyncio.sleep(0)
        worker.start()
        await asyncio.to_thread(worker.stop)
        return await asyncio.gather(*waiting)

    assert asyncio.run(ask()) == [1, 4]
