"""Answers of any length: a thread makes the text while it is sent, so memory does not grow."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from issuer.background.workers import WorkerPool

_CHUNK = 65_536
_AHEAD = 2  # chunks that wait to be sent
_SECONDS_TO_TAKE = 60  # a chunk: a connection that takes less is ended before
_MAX_SECONDS = 1_800


class StreamedText(StreamingResponse):
    """An answer that a thread of `pool` makes in pieces while it is sent.

    `open_pieces` is left when all was sent, when the caller has left, or after half an hour. An
    error before the first piece is raised by `begin`; a later one ends the connection within the
    answer, so that nobody takes a part for the whole.
    """

    def __init__(
        self,
        pool: WorkerPool,
        open_pieces: Callable[[], AbstractContextManager[Iterable[str]]],
        media_type: str,
        headers: Mapping[str, str],
    ) -> None:
        self._chunks = _stream(pool, open_pieces)
        self._first: bytes | None = None
        super().__init__(self._all(), media_type=media_type, headers=headers)

    async def begin(self) -> None:
        """Wait for the first piece; `Unavailable` if the pool is full."""
        if self._first is None:
            self._first = await anext(self._chunks, b"")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._chunks), asyncio.timeout(_MAX_SECONDS):
            await self.begin()
            await super().__call__(scope, receive, send)

    async def _all(self) -> AsyncGenerator[bytes]:
        yield self._first or b""
        async for chunk in self._chunks:
            yield chunk


async def _stream(
    pool: WorkerPool, open_pieces: Callable[[], AbstractContextManager[Iterable[str]]]
) -> AsyncGenerator[bytes]:
    loop, has_left = asyncio.get_running_loop(), threading.Event()
    ready = asyncio.Queue[bytes](_AHEAD)

    def make() -> None:
        with open_pieces() as pieces:
            for chunk in _in_chunks(pieces):
                waiting = asyncio.run_coroutine_threadsafe(ready.put(chunk), loop)
                waiting.result(_SECONDS_TO_TAKE)
                if has_left.is_set():
                    return

    async def run() -> None:
        try:
            await pool.run(make)
        finally:
            await ready.put(b"")

    making = asyncio.create_task(run())
    making.add_done_callback(lambda task: task.cancelled() or task.exception())
    try:
        while chunk := await ready.get():
            yield chunk
        await making
    finally:
        has_left.set()
        while not ready.empty():  # the thread waits for a place
            ready.get_nowait()


def _in_chunks(pieces: Iterable[str]) -> Iterator[bytes]:
    held, size = list[bytes](), 0
    for piece in pieces:
        held.append(piece.encode())
        size += len(held[-1])
        if size >= _CHUNK:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)
