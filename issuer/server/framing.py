"""Where a request ends and the next one begins (RFC 9112 §6).

A proxy sends the requests of many callers on one connection. A server that sees another end of a
request than the proxy does gives a caller the answer of another.
"""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_VERSIONS = {"1.0", "1.1"}
_DECISIVE = {b"host", b"transfer-encoding", b"expect"}
_BYTES_OF_A_CHUNK = 16  # enough for its length and two line ends


class RequestRefused(httptools.HttpParserError):
    """A request that httptools accepts and this server does not."""


class FramedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which reads exactly the requests that were sent.

    Three defects are upstream's (httptools 0.9, uvicorn 0.54 with `ws="none"`):

    - httptools reads no body after a head with `Connection: upgrade` and `Upgrade`, and raises
      `HttpParserUpgrade` for the caller to change protocols. uvicorn does not change: it answers
      the request, drops the rest of that read, and parses the next read, which may be the body,
      as a new request.
    - Trailers are given to `on_header`, and uvicorn adds them to the headers of the request.
    - A head, a trailer and what describes a chunk may be of any size.
    """

    max_headers = 256
    max_framing_bytes = 65_536
    """All but content: head, chunk extensions, trailers. The read they begin in is not counted."""

    _is_in_head = False
    _is_in_body = False
    _repeats_head = False
    _has_host = False
    _framing_bytes = 0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        # Without uvicorn's leniency: nothing is read after a request that closes the connection.
        self.parser = httptools.HttpRequestParser(self)

    def feed(self, data: bytes | memoryview) -> None:
        """Parse. `HttpParserError` if the request is malformed or refused here."""
        if self._is_in_head or self._is_in_body:
            self._framing_bytes = max(self._framing_bytes, 0) + len(data)
        while True:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:  # RFC 9110 §7.8: ignored
                data = memoryview(data)[upgrade.args[0] :]
                self._read_the_body()
        if self._is_in_head or self._is_in_body:
            self._require_bounds()

    def _require_bounds(self) -> None:
        if len(self.headers) > self.max_headers:
            raise RequestRefused("There are too many headers.")
        if self._framing_bytes > self.max_framing_bytes:
            raise RequestRefused("The head or the trailers are too large.")

    def _read_the_body(self) -> None:
        """Let a new parser read on after this head, without its upgrade."""
        framing = [
            b"%s: %s\r\n" % header
            for header in self.headers
            if header[0] in (b"content-length", b"transfer-encoding")
        ]
        if not self.parser.should_keep_alive():
            framing.append(b"connection: close\r\n")
        self.parser = httptools.HttpRequestParser(self)
        self._repeats_head = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))
        self._repeats_head = False

    def on_message_begin(self) -> None:
        if self._repeats_head:
            return
        self._is_in_head = True
        self._has_host = False
        self._framing_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Does what uvicorn's does, without a second call for each header."""
        if not self._is_in_head:  # a trailer (RFC 9110 §6.5.1), or the repeated head
            return
        name = name.lower()
        if name in _DECISIVE:
            self._examine(name, value)
        self.headers.append((name, value))

    def _examine(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            if self._has_host:  # RFC 9112 §3.2
                raise RequestRefused("There is more than one Host header.")
            self._has_host = True
        elif name == b"transfer-encoding":
            if value.lower() != b"chunked":  # httptools also accepts others before it
                raise RequestRefused("A transfer coding other than chunked is not supported.")
            if self.parser.get_http_version() != "1.1":  # RFC 9112 §6.1: its framing is faulty
                raise RequestRefused("HTTP/1.0 has no transfer codings.")
        elif value.lower() == b"100-continue":
            self.expect_100_continue = True

    def on_headers_complete(self) -> None:
        if not self._is_in_head:
            return
        self._require_bounds()
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise RequestRefused("The version is neither HTTP/1.1 nor HTTP/1.0.")
        if not self._has_host and version == "1.1":
            raise RequestRefused("There is no Host header.")
        if self.parser.should_upgrade() and self.parser.get_method() == b"CONNECT":
            raise RequestRefused("CONNECT is not supported.")
        super().on_headers_complete()
        self._is_in_head = False
        self._is_in_body = True

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        self._framing_bytes -= _BYTES_OF_A_CHUNK

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # else httptools skipped the body: it is still to come
            self._is_in_body = False
            super().on_message_complete()
