"""Bounded thread pools."""

import asyncio
import threading

import pytest

from issuer.background.workers import WorkerPool
from issuer.errors import Unavailable


def test_a_full_pool_refuses_callers():
    async def overflow() -> None:
        pool, gate = WorkerPool("test", workers=1, queue=1), threading.Event()
        inside = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable):
            await pool.run(gate.wait)
        gate.set()
        await asyncio.gather(*inside)
        assert await pool.run(gate.is_set)

    asyncio.run(overflow())


def test_a_caller_that_disconnects_does_not_free_the_thread():
    async def cancel() -> None:
        pool, gate = WorkerPool("test", workers=1, queue=0), threading.Event()
        started = threading.Event()

        def work() -> None:
            started.set()
            gate.wait()

        task = asyncio.create_task(pool.run(work))
        await asyncio.to_thread(started.wait)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(Unavailable):
            await pool.run(gate.wait)
        gate.set()

    asyncio.run(cancel())


def test_nobody_waits_longer_than_the_limit_and_what_waited_does_not_begin():
    async def stall() -> None:
        pool, gate = WorkerPool("test", workers=1, queue=1, max_seconds=0.01), threading.Event()
        begun: list[str] = []
        waiting = [pool.run(gate.wait), pool.run(begun.append, "late")]
        errors = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in errors] == [Unavailable] * 2
        gate.set()
        pool.stop()
        assert begun == []

    asyncio.run(stall())
