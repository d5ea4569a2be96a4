"""A connection in memory: a client, a server and a clock that the test moves."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from issuer.server.connection import BoundedConnection

Result = TypeVar("Result")
Request = tuple[str, str, bytes]

_ROUNDS = 12


class MovableLoop(asyncio.SelectorEventLoop):
    """Its clock can be moved."""

    moved = 0.0

    def time(self) -> float:
        return super().time() + self.moved


def in_memory(conversation: Callable[[], Awaitable[Result]]) -> Result:
    """The result of it, on a loop of its own."""

    async def together() -> Result:
        return await conversation()

    with asyncio.Runner(loop_factory=MovableLoop) as runner:
        return runner.run(together())


class Echo:
    """An application that answers with method, path and body, and records its requests.

    It waits for `may_answer` first. A body it never got whole is not among `requests`.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.scopes: list[Any] = []
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.disconnected = 0
        self.errors: list[Exception] = []
        self.content: bytes | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected += 1
                return
            body, more = body + message["body"], message["more_body"]
        await self.may_answer.wait()
        self.requests.append((scope["method"], scope["path"], body))
        answer = f"{scope['method']} {scope['path']} ".encode() + body
        content = answer if self.content is None else self.content
        length = (b"content-length", str(len(content)).encode())
        try:
            await send({"type": "http.response.start", "status": 200, "headers": [length]})
            await send({"type": "http.response.body", "body": content})
        except Exception as error:
            self.errors.append(error)
            raise


class Wire(asyncio.Transport):
    """The transport of a server's connection, and the client at its other end.

    As uvloop's: nothing is read while reading is paused, `close` sends what was written first,
    and writing to a lost connection is an error.
    """

    def __init__(
        self,
        application: Any,
        protocol: type[HttpToolsProtocol] = BoundedConnection,
        state: ServerState | None = None,
    ) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.received = b""
        self.unsent = b""
        self.takes = 10**9
        self.socket: list[bytes] = []
        self.is_reading = True
        self.is_closed = self.is_lost = self.is_ended = False
        config = uvicorn.Config(
            application, interface="asgi3", ws="none", log_config=None, access_log=False
        )
        config.load()
        self.state = state or ServerState()
        self.connection = protocol(config, self.state, {})
        self.connection.connection_made(self)

    async def send(self, *pieces: bytes) -> None:
        """The client sends, each piece as one read; then both sides do what they can."""
        self.socket += pieces
        self._deliver()
        await self.settled()

    async def send_no_more(self) -> None:
        """The client closes its half."""
        if not self.connection.eof_received():
            self.close()
        await self.settled()

    async def go_away(self) -> None:
        """The client disconnects."""
        self.abort()
        await self.settled()

    async def take(self, count: int) -> None:
        """The client reads no more than so many bytes, until more are allowed."""
        self.takes = count
        self._hand_over()
        await self.settled()

    async def pass_time(self, seconds: float) -> None:
        """So many seconds pass."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, MovableLoop)
        loop.moved += seconds
        await self.settled()

    async def settled(self) -> None:
        """Nothing happens any more."""
        before: object = None
        while before != (before := (len(self.received), len(self.unsent), len(self.socket))):
            for _ in range(_ROUNDS):
                await asyncio.sleep(0)

    def answers(self) -> list[bytes]:
        """The bodies that the client received."""
        bodies, rest = [], self.received
        while rest:
            head, _, rest = rest.partition(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            bodies.append(rest[:length])
            rest = rest[length:]
        return bodies

    def _deliver(self) -> None:
        while self.is_reading and self.socket and not self.is_closed:
            self.connection.data_received(self.socket.pop(0))

    def _hand_over(self) -> None:
        count = min(self.takes, len(self.unsent))
        self.received += self.unsent[:count]
        self.unsent = self.unsent[count:]
        self.takes -= count
        if self.is_closed and not self.unsent:
            self._lose()

    def _lose(self) -> None:
        if not self.is_lost:
            self.is_lost = True
            asyncio.get_running_loop().call_soon(self.connection.connection_lost, None)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.is_lost:
            raise RuntimeError("the handler is closed")
        self.unsent += data
        self._hand_over()

    def writelines(self, pieces: Any) -> None:
        self.write(b"".join(pieces))

    def get_write_buffer_size(self) -> int:
        return len(self.unsent)

    def write_eof(self) -> None:
        self.is_ended = True

    def close(self) -> None:
        self.is_closed = True
        self._hand_over()

    def abort(self) -> None:
        self.is_closed = True
        self.unsent = b""
        self._lose()

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading = False

    def resume_reading(self) -> None:
        if not self.is_reading:
            self.is_reading = True
            asyncio.get_running_loop().call_soon(self._deliver)
