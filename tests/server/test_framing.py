"""A request ends where its framing says, whatever else its head says."""

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from issuer.server.connection import BoundedConnection
from tests.rows import rows
from tests.server.wire import Echo, Request, Wire, in_memory

UPGRADES = {
    "any": b"Connection: Upgrade\r\nUpgrade: x\r\n",
    "websocket": b"Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n",
    "curl --http2": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
}
HEAD = b"POST /first HTTP/1.1\r\nHost: issuer\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: issuer\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: issuer\r\n\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
BODIES = {
    "length": b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED),
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(SMUGGLED), SMUGGLED),
}


def received(
    *pieces: bytes, protocol: type[HttpToolsProtocol] = BoundedConnection
) -> tuple[list[Request], Wire]:
    """The requests that the application sees of these pieces, each in a read of its own."""

    async def conversation() -> tuple[list[Request], Wire]:
        echo = Echo()
        wire = Wire(echo, protocol)
        for piece in pieces:
            await wire.send(piece)
        return echo.requests, wire

    return in_memory(conversation)


def is_refused(*pieces: bytes) -> bool:
    """Whether they are answered with 400 alone, and the connection is closed."""
    requests, wire = received(*pieces)
    return requests == [] and wire.received.startswith(b"HTTP/1.1 400 ") and wire.is_lost


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_the_body_of_a_request_that_asks_for_an_upgrade_is_its_body(upgrade: bytes, body: bytes):
    """RFC 9110 §7.8: a server may ignore it. However the bytes are cut."""
    sent = HEAD + upgrade + body + NEXT
    for cut in range(len(sent)):
        requests, _ = received(sent[:cut], sent[cut:])
        assert requests == [("POST", "/first", SMUGGLED), ("GET", "/next", b"")], cut


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_an_upgrade_without_a_body_is_an_ordinary_request(upgrade: bytes):
    requests, _ = received(HEAD + upgrade + b"\r\n" + HEAD + upgrade + b"\r\n", NEXT)
    assert [path for _, path, _ in requests] == ["/first", "/first", "/next"]


def test_a_connection_closes_after_an_upgrade_that_says_so():
    closing = HEAD + b"Connection: close, upgrade\r\nUpgrade: x\r\n\r\n"
    for pieces in [(closing, NEXT), (closing + NEXT,)]:
        requests, wire = received(*pieces)
        assert [path for _, path, _ in requests] == ["/first"]
        assert len(wire.answers()) == 1
        assert wire.is_lost


@pytest.mark.parametrize("target", [b"elsewhere:443", b"/"])
def test_a_tunnel_is_refused_and_nothing_after_it_is_read(target: bytes):
    connect = b"CONNECT %b HTTP/1.1\r\nHost: elsewhere\r\n\r\n" % target
    assert is_refused(connect + SMUGGLED)
    assert is_refused(connect, SMUGGLED)


def test_the_protocol_of_uvicorn_reads_such_a_body_as_a_request():
    """When this fails, uvicorn or httptools is fixed: `issuer.server.framing` can be smaller."""
    head, _, body = (HEAD + UPGRADES["any"] + BODIES["length"]).partition(b"\r\n\r\n")
    requests, _ = received(head + b"\r\n\r\n", body, protocol=HttpToolsProtocol)
    assert ("GET", "/smuggled", b"") in requests


def test_trailers_are_no_headers():
    """RFC 9110 §6.5.1: `X-Forwarded-For` would choose the address that is limited and audited."""
    trailers = b"X-Forwarded-For: 203.0.113.9\r\nAuthorization: Bearer x\r\n\r\n"

    async def conversation() -> None:
        echo = Echo()
        sent = CHUNKED + b"2\r\nhi\r\n0\r\n" + trailers + NEXT
        for piece in [(sent,), tuple(sent[place : place + 1] for place in range(len(sent)))]:
            await Wire(echo).send(*piece)
        assert echo.requests == [("POST", "/first", b"hi"), ("GET", "/next", b"")] * 2
        for scope in echo.scopes:
            assert {b"x-forwarded-for", b"authorization"}.isdisjoint(dict(scope["headers"]))

    in_memory(conversation)


@pytest.mark.parametrize(
    "endless",
    [b"X-A: " + b"a" * 9_000, b"X-A: a\r\n" * 1_000, b"2;" + b"x" * 9_000],
    ids=["a trailer", "many trailers", "a chunk extension"],
)
def test_trailers_and_chunk_extensions_have_a_bound(endless: bytes):
    first = CHUNKED + (b"0\r\n" if endless.startswith(b"X") else b"")
    assert is_refused(first, *[endless.removeprefix(b"2;") if n else endless for n in range(9)])


def test_chunks_of_one_byte_are_no_trailers():
    body = b"1\r\na\r\n" * 30_000 + b"0\r\n\r\n"
    pieces = [body[place : place + 9_000] for place in range(0, len(body), 9_000)]
    requests, _ = received(CHUNKED, *pieces)
    assert requests == [("POST", "/first", b"a" * 30_000)]


@rows(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: one\r\nHost: two\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + UPGRADES["any"] + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"X-A: a\r\n" * 300 + b"\r\n",
        HEAD + b"Expect: a\r\n" * 300 + b"\r\n",
        HEAD + b"X-A: a\r\n folded\r\n\r\n",
    ],
)
def test_a_request_that_could_be_read_in_two_ways_is_refused(head: bytes):
    assert is_refused(head + NEXT)


def test_a_head_with_too_many_headers_is_refused_before_its_end():
    assert is_refused(HEAD + b"X-A: a\r\n" * 300)


def test_a_request_of_an_older_client_needs_no_host():
    requests, wire = received(b"GET /old HTTP/1.0\r\n\r\n")
    assert requests == [("GET", "/old", b"")]
    assert wire.is_lost
