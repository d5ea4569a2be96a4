"""What is sent leaves in few packets, in order, to a client that takes it."""

import asyncio
from collections.abc import Callable

import pytest

from issuer.server.transport import BoundedTransport
from tests.server.wire import Echo, Wire, in_memory

GET = b"GET / HTTP/1.1\r\nHost: issuer\r\n\r\n"
SECONDS = BoundedTransport.seconds_to_take
LARGE = b"a" * 1_000_000


class Sent(asyncio.Transport):
    """A transport that keeps what it is given to send."""

    def __init__(self) -> None:
        super().__init__({"peername": ("192.0.2.1", 1)})
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.pieces.append(bytes(data))

    def writelines(self, pieces: list[bytes]) -> None:  # type: ignore[override]
        self.pieces += pieces

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.is_closed

    def close(self) -> None:
        self.is_closed = True


async def a_round() -> None:
    """The event loop does what it was asked to do soon."""
    await asyncio.sleep(0)


def written(*steps: Callable[[BoundedTransport], object]) -> Sent:
    """What is sent of these steps, a round of the loop after them."""

    async def together() -> Sent:
        sent = Sent()
        transport = BoundedTransport(sent, asyncio.get_running_loop(), bool)
        for step in steps:
            if asyncio.iscoroutine(waiting := step(transport)):
                await waiting
        await a_round()
        return sent

    return asyncio.run(together())


def write(data: bytes) -> Callable[[BoundedTransport], object]:
    return lambda transport: transport.write(data)


def wait(_: BoundedTransport) -> object:
    return a_round()


def close(transport: BoundedTransport) -> None:
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


def test_a_large_body_is_not_copied():
    head, body = written(write(b"head"), write(LARGE)).pieces
    assert head == b"head"
    assert body is LARGE


@pytest.mark.parametrize("pieces", [[], [b"head"], [b"head", b"body"], [b"one", b"two", b"three"]])
def test_a_connection_closes_after_what_was_written(pieces: list[bytes]):
    sent = written(*map(write, pieces), close)
    assert sent.is_closed
    assert b"".join(sent.pieces) == b"".join(pieces)


def test_nothing_is_written_to_a_connection_that_is_closed():
    assert written(close, write(b"head"), write(b"body")).pieces == []


def test_it_is_the_transport_in_everything_else():
    async def peer() -> object:
        return BoundedTransport(Sent(), asyncio.get_running_loop(), bool).get_extra_info("peername")

    assert asyncio.run(peer()) == ("192.0.2.1", 1)


@pytest.mark.parametrize("content", [LARGE, b"small"])
@pytest.mark.parametrize("closing", [b"", b"Connection: close\r\n"])
def test_a_client_that_does_not_take_its_answer_is_closed(content: bytes, closing: bytes):
    async def conversation() -> None:
        echo = Echo()
        echo.content = content
        wire = Wire(echo)
        await wire.take(3)
        await wire.send(GET[:-2] + closing + b"\r\n")
        await wire.pass_time(SECONDS - 1)
        assert not wire.is_lost
        await wire.pass_time(1)
        assert wire.is_lost

    in_memory(conversation)


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it():
    async def conversation() -> None:
        echo = Echo()
        echo.content = LARGE
        wire = Wire(echo)
        wire.connection.timeout_keep_alive = 1_000 * SECONDS
        await wire.take(0)
        await wire.send(GET)
        while len(wire.received) < len(LARGE):
            await wire.take(BoundedTransport.least_taken)
            await wire.pass_time(SECONDS)
            assert not wire.is_lost
        await wire.pass_time(SECONDS)
        assert wire.answers() == [LARGE]
        assert not wire.is_lost

    in_memory(conversation)


def test_a_client_that_takes_too_little_is_closed():
    async def conversation() -> None:
        echo = Echo()
        echo.content = LARGE
        wire = Wire(echo)
        await wire.take(0)
        await wire.send(GET)
        for _ in range(2):
            await wire.take(1_000)
            await wire.pass_time(SECONDS)
        assert wire.is_lost

    in_memory(conversation)
