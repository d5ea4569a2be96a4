"""Where a request ends and the next one begins (RFC 9112 §6).

Everything behind a proxy shares connections: a server that sees another end of a request than the
proxy gives one caller the answer of another.
"""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class FramedProtocol(HttpToolsProtocol):
    """uvicorn's protocol without its upgrades: a body is always read by its framing.

    The defect is upstream's (httptools 0.9, uvicorn 0.54 with `ws="none"`). httptools reads no
    body after a head with `Connection: upgrade` and `Upgrade`, and raises `HttpParserUpgrade`
    for the caller to change protocols. uvicorn does not change: it answers the request, drops
    the rest of that read, and parses the next read, which may be the body, as a new request.
    """

    _repeats_head = False

    def feed(self, data: bytes | memoryview) -> None:
        """Parse; `HttpParserError` where it is not HTTP. No upgrade is accepted (RFC 9110 §7.8)."""
        while True:
            try:
                return self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = memoryview(data)[upgrade.args[0] :]
                self._read_the_body()

    def _read_the_body(self) -> None:
        """Let a new parser read on after this head, without its upgrade."""
        framing = [
            b"%s: %s\r\n" % header
            for header in self.headers
            if header[0] in (b"content-length", b"transfer-encoding")
        ]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self._repeats_head = True
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%s\r\n" % b"".join(framing))
        self._repeats_head = False

    def on_message_begin(self) -> None:
        if not self._repeats_head:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._repeats_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._repeats_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._repeats_head:
            return
        if self.parser.should_upgrade() and self.parser.get_method() == b"CONNECT":
            raise httptools.HttpParserError("There are no tunnels here.")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # else the body was skipped, and is still to come
            super().on_message_complete()
