"""Changes by the admin API take turns, and rest while tokens are asked for."""

import asyncio
from collections.abc import Awaitable, Callable

from issuer.background.turns import Turns
from tests.server.wire import MovableLoop


def run(story: Callable[[MovableLoop], Awaitable[None]]) -> None:
    with asyncio.Runner(loop_factory=MovableLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, MovableLoop)

        async def told() -> None:
            await story(loop)

        runner.run(told())


async def rounds(number: int = 20) -> None:
    """Let everything go on that does not wait."""
    for _ in range(number):
        await asyncio.sleep(0)


class Changes:
    """Which have begun and ended; each goes on until it is told to end."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def ask(self, name: str) -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._change(name))
        await rounds()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await rounds()

    async def leave(self, name: str) -> None:
        self._tasks[name].cancel()
        await rounds()

    async def _change(self, name: str) -> None:
        async with self._turns.turn():
            self.begun.append(name)
            await self._ends[name].wait()


def test_one_change_begins_after_the_other():
    async def story(_: MovableLoop) -> None:
        changes = Changes(Turns(lambda: False))
        await changes.ask("first")
        await changes.ask("second")
        assert changes.begun == ["first"]
        await changes.end("first")
        assert changes.begun == ["first", "second"]
        await changes.end("second")

    run(story)


def test_a_slow_change_does_not_keep_the_others_waiting_for_long():
    async def story(loop: MovableLoop) -> None:
        changes = Changes(Turns(lambda: False))
        await changes.ask("slow")
        await changes.ask("second")
        await changes.ask("third")
        loop.moved += 0.5
        await rounds()
        assert changes.begun == ["slow", "second"]
        await changes.end("slow")
        assert changes.begun == ["slow", "second"], "the place is another's now"
        await changes.end("second")
        assert changes.begun == ["slow", "second", "third"]
        await changes.end("third")

    run(story)


def test_while_tokens_are_asked_for_changes_rest():
    async def story(loop: MovableLoop) -> None:
        asked_for = True
        changes = Changes(Turns(lambda: asked_for))
        await changes.ask("first")
        loop.moved += 0.04
        await changes.ask("second")
        await changes.end("first")
        assert changes.begun == ["first"]
        loop.moved += 0.1
        await rounds()
        assert changes.begun == ["first"], "three times as long as it took"
        loop.moved += 0.03
        await rounds()
        assert changes.begun == ["first", "second"]
        loop.moved += 0.04
        await changes.ask("third")
        await changes.end("second")
        asked_for = False
        loop.moved += 0.01
        await rounds()
        assert changes.begun == ["first", "second", "third"], "nobody waits any more"
        await changes.end("third")

    run(story)


def test_a_caller_who_leaves_keeps_no_place():
    async def story(loop: MovableLoop) -> None:
        changes = Changes(Turns(lambda: True))
        await changes.ask("first")
        await changes.ask("waits for the place")
        await changes.leave("waits for the place")
        await changes.ask("rests")
        loop.moved += 0.04
        await changes.end("first")
        await changes.leave("rests")
        await changes.ask("last")
        loop.moved += 0.3
        await rounds()
        assert changes.begun == ["first", "last"]
        await changes.leave("last")
        loop.moved += 0.3
        await changes.ask("next")
        loop.moved += 0.3
        await rounds()
        assert changes.begun == ["first", "last", "next"]
        await changes.end("next")

    run(story)
