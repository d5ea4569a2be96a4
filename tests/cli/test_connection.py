"""A connection ends for a head that is too large, and for a request that never comes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from issuer.cli.connection import BoundedConnection, CoalescingTransport

HEAD = b"POST /x HTTP/1.1\r\nHost: issuer\r\n"
MANY = 60.0
FEW = 0.1


async def answering(_: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """Answers when the body is there."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def connected(seconds: float) -> AsyncIterator[tuple[Any, Any]]:
    class Connection(BoundedConnection):
        seconds_to_send = seconds

    config = uvicorn.Config(
        answering, http=Connection, interface="asgi3", ws="none", log_config=None
    )
    config.load()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(config, ServerState(), {}), "127.0.0.1", 0
    )
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        yield reader, writer
        writer.close()


def said_after(*pieces: bytes, seconds: float = MANY) -> bytes:
    """All the server says to these pieces, each sent after a breath, until it closes."""

    async def conversation() -> bytes:
        async with connected(seconds) as (reader, writer):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.02)
            return await asyncio.wait_for(reader.read(), 5)

    return asyncio.run(conversation())


def test_a_request_in_pieces_is_answered():
    closing = b"Connection: close\r\nContent-Length: 4\r\n\r\n"
    for pieces in [(HEAD + closing + b"body",), (HEAD[:9], HEAD[9:], closing, b"bo", b"dy")]:
        assert said_after(*pieces).startswith(b"HTTP/1.1 204")


def test_a_large_head_that_ends_in_time_is_answered():
    pieces = [HEAD, *[b"X-A: " + b"a" * 10_000 + b"\r\n"] * 6, b"Connection: close\r\n\r\n"]
    assert said_after(*pieces).startswith(b"HTTP/1.1 204")


@pytest.mark.parametrize(
    "piece", [b"a" * 10_000, b"X-A: a\r\n" * 1_000], ids=["one header", "many headers"]
)
def test_a_head_without_end_is_refused(piece: bytes):
    just_too_many = BoundedConnection.most_head_bytes // len(piece) + 1
    said = said_after(HEAD + b"X-B: b", *[piece] * just_too_many)
    assert said.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "pieces",
    [(), (HEAD[:9],), (HEAD,), (HEAD + b"Content-Length: 4\r\n\r\nbo",)],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
def test_a_request_that_never_comes_ends_the_connection(pieces: tuple[bytes, ...]):
    assert said_after(*pieces, seconds=FEW) == b""


def test_the_deadline_is_of_a_request_not_of_the_connection():
    whole = HEAD + b"Content-Length: 0\r\n\r\n"
    closing = HEAD + b"Connection: close\r\nContent-Length: 0\r\n\r\n"
    said = said_after(*[whole] * 10, closing, seconds=FEW)
    assert said.count(b"HTTP/1.1 204") == 11


class Sent(asyncio.Transport):
    """A transport that keeps what it is given to send."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.pieces.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def a_round() -> None:
    """The event loop does what it was asked to do soon."""
    await asyncio.sleep(0)


def written(*steps: Callable[[CoalescingTransport], object]) -> Sent:
    """What is sent of these steps, a round of the loop after them."""

    async def together() -> Sent:
        sent = Sent()
        transport = CoalescingTransport(sent, asyncio.get_running_loop())
        for step in steps:
            if asyncio.iscoroutine(waiting := step(transport)):
                await waiting
        await a_round()
        return sent

    return asyncio.run(together())


def write(data: bytes) -> Callable[[CoalescingTransport], object]:
    return lambda transport: transport.write(data)


def wait(_: CoalescingTransport) -> object:
    return a_round()


def close(transport: CoalescingTransport) -> None:
    transport.close()


def test_the_head_and_the_body_of_an_answer_leave_as_one():
    assert written(write(b"head"), write(b"body")).pieces == [b"headbody"]
    two_answers = [write(b"head"), write(b"body"), wait, write(b"head"), write(b"")]
    assert written(*two_answers).pieces == [b"headbody", b"head"]


def test_what_is_written_alone_does_not_wait_for_more():
    assert written(write(b"head")).pieces == [b"head"]
    assert written(write(b"head"), wait, write(b"body")).pieces == [b"head", b"body"]


def test_all_of_it_leaves_in_its_order():
    pieces = written(*[write(b"%d" % number) for number in range(9)], wait, write(b"9")).pieces
    assert b"".join(pieces) == b"0123456789"


@pytest.mark.parametrize("pieces", [[], [b"head"], [b"head", b"body"], [b"one", b"two", b"three"]])
def test_a_connection_closes_after_what_was_written(pieces: list[bytes]):
    sent = written(*map(write, pieces), close)
    assert sent.is_closed
    assert b"".join(sent.pieces) == b"".join(pieces)


def test_it_is_the_transport_in_everything_else():
    async def peer() -> object:
        return CoalescingTransport(Sent(), asyncio.get_running_loop()).get_extra_info("peername")

    assert asyncio.run(peer()) == ("192.0.2.1", 1)


def test_what_was_written_leaves_before_a_connection_whose_client_sends_no_more():
    async def half_closed() -> Sent:
        sent, config = Sent(), uvicorn.Config(answering, interface="asgi3", log_config=None)
        config.load()
        connection = BoundedConnection(config, ServerState(), {})
        connection.connection_made(sent)
        connection.transport.write(b"the head that answers a HEAD")
        connection.eof_received()
        sent.close()  # as the event loop does then
        await a_round()
        return sent

    assert asyncio.run(half_closed()).pieces == [b"the head that answers a HEAD"]
