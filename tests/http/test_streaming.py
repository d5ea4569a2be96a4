"""Answers that a thread makes while they are sent."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from issuer.background.workers import WorkerPool
from issuer.errors import Unavailable
from issuer.http.streaming import StreamedText

PIECE = "x" * 10_000


class EndlessText:
    """Pieces without end, or up to an error; how many were made, and whether it was left."""

    def __init__(self, fails_after: int | None = None) -> None:
        self._fails_after = fails_after
        self.made, self.is_left = 0, False

    @contextmanager
    def open(self) -> Iterator[Iterator[str]]:
        try:
            yield self._pieces()
        finally:
            self.is_left = True

    def _pieces(self) -> Iterator[str]:
        while self.made != self._fails_after:
            self.made += 1
            yield PIECE
        raise Unavailable("away")


class LeavingCaller:
    """A caller who takes so many messages, and then leaves."""

    def __init__(self, takes: int) -> None:
        self._takes, self._has_left = takes, asyncio.Event()
        self.messages: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, str]:
        await self._has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.messages.append(message)
        if len(self.messages) >= self._takes:
            self._has_left.set()
            await asyncio.sleep(0.01)


@pytest.fixture
def pool() -> Iterator[WorkerPool]:
    pool = WorkerPool("plans", 1, 0)
    yield pool
    pool.stop()


def answered(pool: WorkerPool, source: EndlessText, caller: LeavingCaller) -> None:
    async def answer() -> None:
        response = StreamedText(pool, source.open, "text/plain", {})
        scope = {"type": "http", "asgi": {"spec_version": "2.3"}}
        await asyncio.wait_for(response(scope, caller.receive, caller.send), 20)
        deadline = time.monotonic() + 20
        while pool.inside and time.monotonic() < deadline:
            await asyncio.sleep(0.01)

    asyncio.run(answer())


def test_little_is_made_before_it_is_taken_and_nothing_once_the_caller_has_left(pool: WorkerPool):
    source, caller = EndlessText(), LeavingCaller(takes=20)
    answered(pool, source, caller)
    taken = sum(len(each.get("body", b"")) for each in caller.messages)
    assert taken > 1_000_000
    assert source.made * len(PIECE) < taken + 500_000
    assert (source.is_left, pool.inside) == (True, 0)


def test_an_error_at_first_is_raised_before_anything_is_sent(pool: WorkerPool):
    caller = LeavingCaller(takes=1_000)
    with pytest.raises(Unavailable, match="away"):
        answered(pool, EndlessText(fails_after=0), caller)
    assert caller.messages == []


def test_after_a_later_error_the_answer_has_no_end(pool: WorkerPool):
    caller = LeavingCaller(takes=1_000)
    with pytest.raises(Unavailable, match="away"):
        answered(pool, EndlessText(fails_after=100), caller)
    assert caller.messages[0]["type"] == "http.response.start"
    assert all(each["more_body"] for each in caller.messages[1:])


def test_a_full_pool_refuses_before_anything_is_sent():
    source, caller = EndlessText(), LeavingCaller(takes=1_000)
    with pytest.raises(Unavailable, match="Too many requests"):
        answered(WorkerPool("plans", 1, -1), source, caller)
    assert (source.made, caller.messages) == (0, [])
