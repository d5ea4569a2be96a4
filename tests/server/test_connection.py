"""Pending data on a connection has a bound, and each answer is that of its request."""

import gc
import weakref
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn.server import ServerState

from issuer.background.workers import IN_SCOPE
from issuer.server.connection import BoundedConnection
from issuer.server.connection_limit import ConnectionLimit
from issuer.server.transport import BoundedTransport
from tests.captured_logs import capture_logs
from tests.server.wire import Echo, Wire, in_memory

HEAD = b"POST /x HTTP/1.1\r\nHost: issuer\r\n"
WHOLE = HEAD + b"Content-Length: 4\r\n\r\nbody"
IDLE = 75.0
SECONDS = BoundedConnection.seconds_to_send


def get(number: int) -> bytes:
    return b"GET /%d HTTP/1.1\r\nHost: issuer\r\n\r\n" % number


def on_a_wire(conversation: Callable[[Wire, Echo], Awaitable[None]]) -> Wire:
    """The wire after the conversation on it."""

    async def together() -> Wire:
        echo = Echo()
        wire = Wire(echo)
        wire.connection.timeout_keep_alive = IDLE
        await conversation(wire, echo)
        return wire

    return in_memory(together)


def test_a_request_in_pieces_is_answered():
    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(WHOLE)
        await wire.send(WHOLE[:9], WHOLE[9:40], WHOLE[40:-2], WHOLE[-2:])

    assert on_a_wire(conversation).answers() == [b"POST /x body"] * 2


# What is too large


def test_a_large_head_that_ends_in_time_is_answered():
    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(HEAD, *[b"X-A: " + b"a" * 10_000 + b"\r\n"] * 6, b"\r\n")

    assert on_a_wire(conversation).answers() == [b"POST /x "]


@pytest.mark.parametrize(
    "piece", [b"a" * 10_000, b"X-A: a\r\n" * 1_000], ids=["one header", "many headers"]
)
def test_a_head_without_end_is_refused(piece: bytes):
    just_too_many = BoundedConnection.max_framing_bytes // len(piece) + 1

    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(HEAD + b"X-B: b", *[piece] * just_too_many)

    wire = on_a_wire(conversation)
    assert wire.received.startswith(b"HTTP/1.1 400")
    assert wire.is_lost


def test_a_large_read_that_ends_inside_a_head_is_no_large_head():
    large = HEAD + b"Content-Length: 90000\r\n\r\n" + b"a" * 90_000

    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(large + WHOLE[:20], WHOLE[20:])

    assert [len(body) for body in on_a_wire(conversation).answers()] == [90_008, 12]


def test_empty_lines_are_not_parsed_one_by_one(monkeypatch: pytest.MonkeyPatch):
    """Each costs as much as a head, and anyone may send them."""
    pieces = []
    feed = BoundedConnection.feed

    def counted(connection: BoundedConnection, data: bytes) -> None:
        pieces.append(data)
        feed(connection, data)

    monkeypatch.setattr(BoundedConnection, "feed", counted)
    empty = b"\r\n" * 100_000

    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(HEAD + b"Content-Length: %d\r\n\r\n" % len(empty) + empty, empty)

    assert [len(body) for body in on_a_wire(conversation).answers()] == [200_008]
    assert len(pieces) < 1_000


# Pipelining


def test_few_requests_wait_and_the_socket_is_not_read_until_they_are_answered():
    many = b"".join(map(get, range(5_000)))

    async def conversation(wire: Wire, echo: Echo) -> None:
        echo.may_answer.clear()
        await wire.send(many, many)
        assert len(echo.scopes) == 1
        assert len(wire.connection.pipeline) <= 32
        assert len(wire.socket) == 1
        echo.may_answer.set()
        await wire.settled()

    wire = on_a_wire(conversation)
    assert wire.answers() == [b"GET /%d " % number for number in range(5_000)] * 2


@given(
    bodies=st.lists(st.binary(max_size=40), min_size=1, max_size=12),
    cuts=st.sets(st.integers(1, 1_500)),
    waits=st.booleans(),
)
def test_each_answer_is_that_of_its_request(bodies: list[bytes], cuts: set[int], waits: bool):
    requests = [
        b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (n, len(body), body)
        for n, body in enumerate(bodies)
    ]

    async def conversation(wire: Wire, echo: Echo) -> None:
        places = [0, *sorted(cuts), None]
        sent = b"".join(requests)
        pieces = [sent[a:b] for a, b in pairwise(places)]
        if waits:
            echo.may_answer.clear()
        await wire.send(*filter(None, pieces))
        echo.may_answer.set()
        await wire.settled()

    expected = [b"POST /%d %b" % (number, body) for number, body in enumerate(bodies)]
    assert on_a_wire(conversation).answers() == expected


@pytest.mark.parametrize(
    "broken",
    [b"BROKEN\r\n\r\n", HEAD + b"Transfer-Encoding: chunked\r\n\r\nnot a length\r\n"],
    ids=["head", "body"],
)
def test_a_broken_request_is_refused_after_the_answers_to_those_before_it(broken: bytes):
    async def conversation(wire: Wire, echo: Echo) -> None:
        echo.may_answer.clear()
        await wire.send(get(1) + get(2) + broken + get(3))
        await wire.send(get(4))
        echo.may_answer.set()
        await wire.settled()

    wire = on_a_wire(conversation)
    assert wire.answers()[:2] == [b"GET /1 ", b"GET /2 "]
    assert wire.received.count(b"HTTP/1.1 ") == 3
    assert b"HTTP/1.1 400 Bad Request" in wire.received
    assert wire.is_lost


def test_a_refusal_says_why_and_quotes_nothing():
    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(b"GET http://secret:x/ HTTP/1.1\r\nHost: a\r\n\r\n")

    async def without_host(wire: Wire, _: Echo) -> None:
        await wire.send(b"GET /secret HTTP/1.1\r\n\r\n")

    assert b"secret" not in on_a_wire(conversation).received
    assert on_a_wire(without_host).answers() == [b"Invalid request: There is no Host header."]


def test_a_body_that_breaks_ends_its_request():
    async def conversation(wire: Wire, echo: Echo) -> None:
        await wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", b"broken\r\n")
        assert echo.requests == []
        assert echo.disconnected == 1

    wire = on_a_wire(conversation)
    assert wire.received.startswith(b"HTTP/1.1 400")
    assert wire.is_lost


# A client that disconnects, and one that sends no more


@pytest.mark.parametrize("number", [1, 2, 40])
def test_a_client_that_goes_away_causes_no_error(number: int):
    async def conversation(wire: Wire, echo: Echo) -> None:
        echo.may_answer.clear()
        await wire.send(b"".join(map(get, range(number))))
        await wire.go_away()
        echo.may_answer.set()
        await wire.settled()
        assert echo.errors == []
        assert len(echo.requests) == 1

    assert on_a_wire(conversation).received == b""


def test_a_client_that_sends_no_more_is_answered():
    async def conversation(wire: Wire, echo: Echo) -> None:
        echo.may_answer.clear()
        await wire.send(WHOLE)
        await wire.send_no_more()
        echo.may_answer.set()
        await wire.settled()

    wire = on_a_wire(conversation)
    assert wire.answers() == [b"POST /x body"]
    assert b"connection: close" in wire.received
    assert wire.is_lost


@pytest.mark.parametrize("sent", [b"", WHOLE, WHOLE[:-1], WHOLE[:9], WHOLE + WHOLE[:9]])
def test_a_client_that_sends_no_more_is_not_waited_for(sent: bytes):
    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(sent)
        await wire.send_no_more()

    assert on_a_wire(conversation).is_lost


@pytest.mark.parametrize("leave", [Wire.send_no_more, Wire.go_away])
def test_a_request_that_only_reads_knows_that_its_caller_has_left(leave):
    async def conversation(wire: Wire, echo: Echo) -> None:
        echo.may_answer.clear()
        await wire.send(b"GET /slow HTTP/1.1\r\nHost: id.example\r\n\r\n")
        caller = echo.scopes[0][IN_SCOPE]
        assert not caller.has_left
        await leave(wire)
        assert caller.has_left
        echo.may_answer.set()

    on_a_wire(conversation)


# Deadlines


@pytest.mark.parametrize(
    "pieces",
    [(), (b"\r\n",), (HEAD[:9],), (HEAD,), (HEAD + b"Content-Length: 4\r\n\r\nbo",), (WHOLE, HEAD)],
    ids=["nothing", "an empty line", "half a line", "half a head", "half a body", "another"],
)
def test_a_request_that_never_comes_ends_the_connection(pieces: tuple[bytes, ...]):
    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(*pieces)
        await wire.pass_time(SECONDS - 1)
        assert not wire.is_lost
        await wire.pass_time(1)

    assert on_a_wire(conversation).is_lost


def test_the_deadline_is_of_a_request_not_of_the_connection():
    async def conversation(wire: Wire, _: Echo) -> None:
        for _ in range(10):
            await wire.send(WHOLE[:20])
            await wire.pass_time(SECONDS / 2)
            await wire.send(WHOLE[20:] + WHOLE[:20])
            await wire.pass_time(SECONDS / 2)
            await wire.send(WHOLE[20:])

    assert len(on_a_wire(conversation).answers()) == 20


def test_a_request_that_waits_for_others_has_no_deadline():
    async def conversation(wire: Wire, echo: Echo) -> None:
        echo.may_answer.clear()
        await wire.send(WHOLE + WHOLE[:-1])
        await wire.pass_time(2 * SECONDS)
        echo.may_answer.set()
        await wire.send(WHOLE[-1:])

    assert len(on_a_wire(conversation).answers()) == 2


@pytest.mark.parametrize("line", [b"", b"\r\n"])
def test_an_idle_connection_is_closed_whatever_comes_between_requests(line: bytes):
    async def conversation(wire: Wire, _: Echo) -> None:
        await wire.send(WHOLE)
        await wire.pass_time(IDLE - 1)
        if line:
            await wire.send(line)
        assert not wire.is_lost
        await wire.pass_time(1)

    assert on_a_wire(conversation).is_lost


def test_a_connection_is_not_idle_while_it_is_answered():
    async def conversation(wire: Wire, echo: Echo) -> None:
        for _ in range(2):
            echo.may_answer.clear()
            await wire.send(WHOLE)
            await wire.pass_time(2 * IDLE)
            echo.may_answer.set()
            await wire.settled()

    assert len(on_a_wire(conversation).answers()) == 2


def test_a_request_that_was_answered_before_its_end_leaves_an_idle_connection():
    async def refusing(_: Any, __: Any, send: Any) -> None:
        length = (b"content-length", b"0")
        await send({"type": "http.response.start", "status": 413, "headers": [length]})
        await send({"type": "http.response.body", "body": b""})

    async def conversation() -> Wire:
        wire = Wire(refusing)
        wire.connection.timeout_keep_alive = IDLE
        await wire.send(WHOLE[:-1])
        await wire.send(WHOLE[-1:])
        await wire.pass_time(IDLE - 1)
        assert not wire.is_lost
        await wire.pass_time(1)
        return wire

    assert in_memory(conversation).is_lost


# The number of connections


class Crowd:
    """Connections to one server that may have `maximum`, each with an application of its own."""

    def __init__(self, maximum: int, monotonic: Callable[[], float] = lambda: 0.0) -> None:
        class LimitedHere(BoundedConnection):
            limit = ConnectionLimit(maximum, monotonic)

        self._protocol = LimitedHere
        self._server = ServerState()
        self._echoes: dict[Wire, Echo] = {}

    async def another(self, *data: bytes) -> Wire:
        """A second later than the one before."""
        echo = Echo()
        wire = Wire(echo, self._protocol, self._server)
        self._echoes[wire] = echo
        await wire.send(*data)
        await wire.pass_time(1)
        return wire

    async def answering(self) -> Wire:
        """A connection whose answer takes time, with half of another request behind."""
        wire = await self.another(get(0))
        self._echoes[wire].may_answer.clear()
        await wire.send(WHOLE + HEAD)
        return wire

    async def answer(self, wire: Wire) -> None:
        self._echoes[wire].may_answer.set()
        await wire.settled()


@pytest.mark.parametrize(
    "data",
    [b"", get(1), HEAD, HEAD + b"Content-Length: 9\r\n\r\nbody"],
    ids=["silent", "idle", "half a head", "half a body"],
)
def test_one_caller_cannot_keep_others_out(data: bytes):
    async def conversation() -> None:
        crowd = Crowd(16)
        hoard = [await crowd.another(data) for _ in range(16)]
        for _ in range(64):
            honest = await crowd.another(WHOLE)
            assert honest.answers() == [b"POST /x body"]
            hoard.append(await crowd.another(data))
        assert sum(not wire.is_lost for wire in hoard) <= 16

    in_memory(conversation)


def test_a_caller_that_does_not_read_cannot_keep_others_out():
    async def conversation() -> None:
        crowd = Crowd(2)
        reader, other = await crowd.another(), await crowd.another(get(1))
        await reader.take(0)
        await reader.send(get(1))
        reader.connection.flow.pause_writing()  # as a transport does whose buffer is full
        crowd._echoes[reader].may_answer.clear()
        await other.send(get(2))
        await crowd.another(WHOLE)
        assert (reader.is_lost, other.is_lost) == (True, False)

    in_memory(conversation)


def test_the_connection_that_waited_longest_for_its_caller_is_closed():
    async def conversation() -> None:
        crowd = Crowd(3)
        first, second, third = [await crowd.another(get(1)) for _ in range(3)]
        await first.send(get(2))
        assert [wire.is_lost for wire in (first, second, third)] == [False] * 3
        newest = await crowd.another()
        assert [wire.is_lost for wire in (first, second, third)] == [False, True, False]
        assert not newest.is_lost

    in_memory(conversation)


def test_a_request_that_is_being_answered_is_never_given_up_for_another_caller():
    async def conversation() -> None:
        crowd = Crowd(2)
        answering = [await crowd.answering() for _ in range(2)]
        assert (await crowd.another()).is_lost
        for wire in answering:
            await crowd.answer(wire)
            assert wire.answers() == [b"GET /0 ", b"POST /x body"]
        assert not (await crowd.another()).is_lost
        assert [wire.is_lost for wire in answering] == [True, False]

    in_memory(conversation)


def test_the_log_says_once_a_minute_that_the_limit_was_reached():
    now = 0.0

    async def conversation() -> None:
        nonlocal now
        crowd = Crowd(2, lambda: now)
        with capture_logs() as events:
            for _ in range(5):
                await crowd.another()
            now = 60.0
            await crowd.another()
        assert [(event["event"], event["limit"], event["closed"]) for event in events] == [
            ("connection_limit_reached", 2, 1),
            ("connection_limit_reached", 2, 3),
        ]

    in_memory(conversation)


@given(
    maximum=st.integers(1, 12),
    steps=st.lists(
        st.tuples(st.sampled_from(["accept", "use", "leave", "answering"]), st.integers(0, 99))
    ),
)
def test_the_number_of_connections_stays_within_the_limit(
    maximum: int, steps: list[tuple[str, int]]
):
    async def conversation() -> None:
        crowd = Crowd(maximum)
        for step, number in steps:
            opened = [wire for wire in crowd._echoes if not wire.is_lost]
            if step == "accept" or not opened:
                await crowd.another()
            elif step == "answering":
                await crowd.answering()
            elif step == "leave":
                await opened[number % len(opened)].go_away()
            else:
                await opened[number % len(opened)].send(get(number))
            assert sum(not wire.is_lost for wire in crowd._echoes) <= maximum
            assert len(crowd._server.connections) <= maximum
        for wire in list(crowd._echoes):
            await wire.go_away()
        assert not (await crowd.another()).is_lost

    in_memory(conversation)


def test_a_lost_connection_leaves_memory_without_the_garbage_collector():
    """It comes late, and thousands of connections may be lost at once."""

    async def conversation() -> list[object]:
        lost: list[weakref.ref[BoundedConnection]] = []
        for data in (b"", get(1), HEAD, WHOLE + HEAD, b"BROKEN\r\n\r\n"):
            wire = await Crowd(1).another(data)
            lost.append(weakref.ref(wire.connection))
            await wire.go_away()
            await wire.pass_time(IDLE)
            del wire.connection
        return [each() for each in lost]

    gc.disable()
    try:
        assert in_memory(conversation) == [None] * 5
    finally:
        gc.enable()


# A caller that is answered while it sends


class Refusing(Echo):
    """Answers at once, reads no body, and closes."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})


def refused(conversation: Callable[[Wire], Awaitable[None]]) -> Wire:
    """The wire after the conversation, which begins with a large request that is refused."""

    async def together() -> Wire:
        wire = Wire(Refusing())
        await wire.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + b"a" * 100_000)
        assert wire.answers() == [b"no"]
        await conversation(wire)
        return wire

    return in_memory(together)


def test_a_caller_that_is_refused_while_it_sends_can_read_the_answer():
    async def conversation(wire: Wire) -> None:
        await wire.send(b"a" * 100_000)
        assert wire.is_ended
        assert not wire.is_lost
        await wire.send_no_more()

    assert refused(conversation).is_lost


def test_what_a_refused_caller_sends_is_no_other_request():
    async def conversation(wire: Wire) -> None:
        await wire.send(b"a" * 900_000 + WHOLE)

    assert refused(conversation).answers() == [b"no"]


def test_a_refused_caller_that_goes_on_sending_is_cut_off():
    async def conversation(wire: Wire) -> None:
        await wire.send(*[b"a" * 100_000] * 11)

    assert refused(conversation).is_lost


def test_a_refused_caller_that_does_not_close_is_cut_off():
    async def conversation(wire: Wire) -> None:
        await wire.pass_time(BoundedTransport.seconds_to_stop)

    assert refused(conversation).is_lost
