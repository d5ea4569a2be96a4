"""A request ends where its framing says, whatever else its head says."""

import asyncio
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from issuer.cli.connection import BoundedConnection

UPGRADES = {
    "any": b"Connection: Upgrade\r\nUpgrade: x\r\n",
    "websocket": b"Connection: keep-alive, upgrade\r\nUpgrade: websocket\r\n",
    "curl --http2": b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n",
}
HEAD = b"POST /first HTTP/1.1\r\nHost: issuer\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: issuer\r\n\r\n"
NEXT = b"GET /next HTTP/1.1\r\nHost: issuer\r\n\r\n"
BODIES = {
    "length": b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED),
    "chunked": b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(SMUGGLED), SMUGGLED),
}


class Wire(asyncio.Transport):
    """A transport in memory, and the requests that the application saw."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[tuple[str, str, bytes]] = []
        self.sent = b""
        self.closed = False

    async def application(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.requests.append((scope["method"], scope["path"], body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass


def received(*pieces: bytes, protocol: type[HttpToolsProtocol] = BoundedConnection) -> Wire:
    """What becomes of these pieces, each in a read of its own."""

    async def conversation() -> Wire:
        wire = Wire()
        config = uvicorn.Config(
            wire.application, interface="asgi3", ws="none", log_config=None, access_log=False
        )
        config.load()
        connection = protocol(config, ServerState(), {})
        connection.connection_made(wire)
        for piece in pieces:
            if not wire.closed:
                connection.data_received(piece)
            for _ in range(9):  # the application answers
                await asyncio.sleep(0)
        connection.connection_lost(None)
        return wire

    return asyncio.run(conversation())


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_the_body_of_a_request_that_asks_for_an_upgrade_is_its_body(upgrade: bytes, body: bytes):
    """RFC 9110 §7.8: a server may ignore it. However the bytes are cut."""
    sent = HEAD + upgrade + body + NEXT
    for cut in range(len(sent) + 1):
        wire = received(sent[:cut], sent[cut:])
        assert wire.requests == [("POST", "/first", SMUGGLED), ("GET", "/next", b"")], cut


@pytest.mark.parametrize("upgrade", UPGRADES.values(), ids=UPGRADES)
def test_an_upgrade_without_a_body_is_an_ordinary_request(upgrade: bytes):
    wire = received(HEAD + upgrade + b"\r\n" + HEAD + upgrade + b"\r\n", NEXT)
    assert [path for _, path, _ in wire.requests] == ["/first", "/first", "/next"]


def test_a_connection_closes_after_an_upgrade_that_says_so():
    wire = received(HEAD + b"Connection: close, upgrade\r\nUpgrade: x\r\n\r\n", NEXT)
    assert [path for _, path, _ in wire.requests] == ["/first"]
    assert wire.closed


@pytest.mark.parametrize("target", [b"elsewhere:443", b"/"])
def test_a_tunnel_is_refused_and_nothing_after_it_is_read(target: bytes):
    connect = b"CONNECT %b HTTP/1.1\r\nHost: elsewhere\r\n\r\n" % target
    for wire in (received(connect + SMUGGLED), received(connect, SMUGGLED)):
        assert wire.requests == []
        assert wire.sent.startswith(b"HTTP/1.1 400 ")
        assert wire.closed


def test_the_protocol_of_uvicorn_reads_such_a_body_as_a_request():
    """When this fails, uvicorn or httptools is mended, and `issuer.cli.framing` can be smaller."""
    head, _, body = (HEAD + UPGRADES["any"] + BODIES["length"]).partition(b"\r\n\r\n")
    wire = received(head + b"\r\n\r\n", body, protocol=HttpToolsProtocol)
    assert ("GET", "/smuggled", b"") in wire.requests
