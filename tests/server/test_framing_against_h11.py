"""h11, which reads HTTP strictly, sees every request that the server sees, and the same.

The server may refuse what h11 takes: with 400, and nothing is read after it.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise

import h11
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.server.wire import Echo, Wire, in_memory

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
# RFC 9112 §3 lets a server divide the request line at any white space. h11 does not.
TWO_SPACES = re.compile(rb"[A-Z][A-Z-]* {2,}|\S {2,}HTTP/")


@dataclass
class Seen:
    """A request, as far as it was read."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    is_complete: bool = False


@dataclass
class Reading:
    """What one side read of some bytes."""

    requests: list[Seen] = field(default_factory=list)
    refused: bool = False
    ended: bool = False


def read_by_h11(data: bytes) -> Reading:
    """What h11 reads, if each request is answered and line ends before a request are ignored."""
    reading = Reading()
    while (data := data.lstrip(b"\r\n")) and not reading.ended and not reading.refused:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
        connection.receive_data(data)
        try:
            if not read_one(connection, reading):
                break
        except h11.RemoteProtocolError:
            reading.refused = True
        reading.ended = connection.our_state is h11.MUST_CLOSE
        data, _ = connection.trailing_data
    return reading


def read_one(connection: h11.Connection, reading: Reading) -> bool:
    """Whether h11 reads a request to its end; it is answered then."""
    while True:
        match connection.next_event():
            case h11.Request() as head:
                reading.requests.append(Seen(head.method, head.target, list(head.headers)))
            case h11.Data() as content:
                reading.requests[-1].body += bytes(content.data)
            case h11.EndOfMessage():
                reading.requests[-1].is_complete = True
                status = 400 if reading.requests[-1].method == b"CONNECT" else 200
                no_content = [("content-length", "0")]
                connection.send(h11.Response(status_code=status, headers=no_content))
                connection.send(h11.EndOfMessage())
                return True
            case _:
                return False


def read_by_us(pieces: list[bytes]) -> Reading:
    """What the server reads; each piece is a read."""

    async def conversation() -> Reading:
        seen: list[Seen] = []
        echo = Echo()

        async def application(scope, receive, send):
            target = scope["raw_path"] + (b"?" if scope["query_string"] else b"")
            target += scope["query_string"]
            request = Seen(scope["method"].encode(), target, scope["headers"])
            seen.append(request)

            async def receive_and_see():
                message = await receive()
                if message["type"] == "http.request":
                    request.body += message["body"]
                    request.is_complete = not message["more_body"]
                return message

            await echo(scope, receive_and_see, send)

        wire = Wire(application)
        await wire.send(*pieces)
        assert echo.errors == []
        refused = b"HTTP/1.1 400 " in wire.received
        assert wire.is_lost or not refused
        reading = Reading(seen, refused, wire.is_lost or wire.is_ended)
        await wire.go_away()
        return reading

    return in_memory(conversation)


def in_origin_form(target: bytes) -> bytes:
    """Path and query, as the application sees them."""
    target = re.sub(rb"^[a-z][a-z0-9+.-]*://[^/?#]*", b"", target, flags=re.IGNORECASE)
    path, _, query = target.partition(b"#")[0].partition(b"?")
    return path + (b"?" + query if query else b"")


def of_interest(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """All but two of which h11 rewrites the values. httptools keeps white space at their end."""
    framing = {b"content-length", b"transfer-encoding"}
    return [(name, value.rstrip(b" \t")) for name, value in headers if name not in framing]


def assert_same(data: bytes, cuts: set[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    ours = read_by_us([data[a:b] for a, b in pairwise(places) if a < b])
    theirs = read_by_h11(data)
    assert len(ours.requests) <= len(theirs.requests)
    for our, their in zip(ours.requests, theirs.requests, strict=False):
        assert our.method == their.method
        assert our.target == in_origin_form(their.target)
        assert of_interest(our.headers) == of_interest(their.headers)
        if our.is_complete:
            assert their.is_complete
            assert our.body == their.body
        else:
            assert their.body.startswith(our.body) or our.body.startswith(their.body)
    if not ours.refused:
        assert [request.is_complete for request in ours.requests] == [
            request.is_complete for request in theirs.requests
        ]
        assert ours.ended == theirs.ended or theirs.refused


METHODS = [b"POST", b"GET", b"HEAD", b"OPTIONS", b"DELETE"]
TARGETS = [b"/a", b"/a?b=c", b"/%41", b"//a", b"http://h/a?b", b"/a#b"]
VERSIONS = [b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0"]
CONNECTIONS = [
    b"Connection: close",
    b"Connection: keep-alive",
    b"Connection: Upgrade\r\nUpgrade: websocket",
    b"Connection: upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk",
    b"Upgrade: x\r\nConnection: keep-alive\r\nConnection: upgrade",
    b"Connection: close, Upgrade\r\nUpgrade: x",
    b"Upgrade: x",
]
HEADERS = [b"X-Host: b", b"X: \xc3\xbc", b"X:", b"X:  padded \t", b"Expect: 100-continue"]
EXTENSIONS = [b"", b";a=b", b';a="b;\\"c"', b";a;b=c"]
TRAILERS = [b"X-T: t", b"Host: b", b"Content-Length: 9", b"Transfer-Encoding: chunked"]
FRAMINGS = ["none", "none", "length", "length", "chunked", "chunked", "odd length", "odd coding"]
CONTENTS = st.one_of(st.binary(max_size=30), st.sampled_from([SMUGGLED, b"\r\n\r\n"]))

ODD_METHODS = [b"CONNECT", b"PRI", b"get", b"FOO", b""]
ODD_TARGETS = [b"http://h", b"*", b"h:1", b"/\xc3\xbc", b"/a b", b"", b"/\x7f"]
ODD_VERSIONS = [b"HTTP/0.9", b"HTTP/2.0", b"HTTP/1.10", b"http/1.1", b"HTTP/1.2", b""]
ODD_ENDS = [b"\n", b"\r", b"\r\r\n", b"", b" \r\n"]
ODD_LENGTHS = [b"+5", b"5, 5", b"5,6", b"0x5", b"005", b"", b"-1", b"5 5", b"18446744073709551617"]
ODD_CODINGS = [
    b"Chunked",
    b"gzip",
    b"gzip, chunked",
    b"chunked, chunked",
    b"identity",
    b"\tchunked ",
]
ODD_SIZES = [b"0x5", b"+5", b" 5", b"", b"ff", b"5_0", b"-0", b"10000000000000005"]
ODD_EXTENSIONS = [b" ;a", b" ", b";\n", b";a\rb", b";\x00"]
ODD_HEADERS = [
    b" folded",
    b"X-A: a\r\n\tfolded",
    b"Content-Length : 5",
    b"Content-Length\t: 5",
    b": nameless",
    b"nameless",
    b"X\x00: a",
    b"X: \x00",
    b"X: a\rb",
    b"Transfer-Encoding\x0b: chunked",
    b"Transfer-Encoding:\x0bchunked",
    b"Host: b",
    b"Content-Length: 0",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
]


class Choices:
    """Draws what a request may have, or, `oddly`, now and then what it must not."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.oddly = draw(st.booleans())

    def one(self, usual: list[bytes], odd: list[bytes]) -> bytes:
        is_odd = self.oddly and self.draw(st.integers(0, 11)) == 0
        return self.draw(st.sampled_from(odd if is_odd else usual))

    def end(self) -> bytes:
        return self.one([b"\r\n"], ODD_ENDS)

    def several(self, usual: list[bytes], odd: list[bytes]) -> list[bytes]:
        return [self.one(usual, odd) for _ in range(self.draw(st.integers(0, 2)))]

    def chunks(self) -> bytes:
        body = b""
        for content in [*self.draw(st.lists(CONTENTS.filter(bool), max_size=3)), b""]:
            size = b"%x" % len(content)
            body += self.one([size, size.upper(), b"0" + size], ODD_SIZES)
            body += self.one(EXTENSIONS, ODD_EXTENSIONS) + self.end()
            body += content + self.end() if content else b""
        trailers = self.several(TRAILERS, ODD_HEADERS)
        return body + b"".join(line + self.end() for line in trailers) + self.end()


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """One request; half of them are as they should be."""
    choices = Choices(draw)
    headers, content = [b"Host: a"], b""
    match draw(st.sampled_from(FRAMINGS)):
        case "length":
            content = draw(CONTENTS)
            headers.append(b"Content-Length: %d" % len(content))
        case "odd length":
            content = draw(CONTENTS)
            headers.append(b"Content-Length: " + draw(st.sampled_from(ODD_LENGTHS)))
        case "chunked":
            content = choices.chunks()
            headers.append(b"Transfer-Encoding: chunked")
        case "odd coding":
            content = choices.chunks()
            headers.append(b"Transfer-Encoding: " + draw(st.sampled_from(ODD_CODINGS)))
    headers += choices.several(HEADERS, ODD_HEADERS)
    headers += draw(st.lists(st.sampled_from(CONNECTIONS), max_size=1))
    line = [
        choices.one(METHODS, ODD_METHODS),
        choices.one(TARGETS, ODD_TARGETS),
        choices.one(VERSIONS, ODD_VERSIONS),
    ]
    lines = [b" ".join(line), *draw(st.permutations(headers))]
    return b"".join(line + choices.end() for line in lines) + choices.end() + content


CUTS = st.one_of(st.just(set()), st.sets(st.integers(1, 300)), st.just(set(range(1_000))))


@settings(max_examples=300)
@given(st.lists(requests(), min_size=1, max_size=4), CUTS)
@example([b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n"] * 3, {30})
def test_h11_sees_every_request_that_we_see(sent: list[bytes], cuts: set[int]):
    data = b"".join(sent)
    assume(not TWO_SPACES.search(data))
    assert_same(data, cuts)


@settings(max_examples=150)
@given(
    st.lists(requests(), min_size=1, max_size=3),
    st.integers(0, 300),
    st.integers(0, 3),
    st.one_of(st.binary(max_size=3), st.sampled_from([b"\r\n", b"\n", b" ", b":", b"0", b"\x00"])),
    CUTS,
)
def test_it_does_so_where_bytes_were_changed(
    sent: list[bytes], place: int, removed: int, added: bytes, cuts: set[int]
):
    data = b"".join(sent)
    data = data[:place] + added + data[place + removed :]
    assume(not TWO_SPACES.search(data))
    assert_same(data, cuts)
