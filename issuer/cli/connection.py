"""Connections: none is kept for a request that is too large or never comes.

What goes out on them leaves in as few packets as possible.
"""

import asyncio
from typing import Any, cast

import httptools

from issuer.cli.framing import FramedProtocol


class CoalescingTransport:
    """A transport by which what is written twice in a row is sent at once.

    uvicorn writes the head of an answer and then its body. Each of them sent alone is a system
    call, and wakes the other side. Only `write` and `close` keep the order: uvicorn calls no
    other method that sends.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""

    def write(self, data: bytes) -> None:
        """Goes out with what is written next, at the latest in the next round of the loop."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        else:
            self._held = data
            self._loop.call_soon(self.flush)

    def close(self) -> None:
        """Nothing that was written is lost."""
        self.flush()
        self._transport.close()

    def flush(self) -> None:
        """What was written goes out now."""
        if self._held and not self._transport.is_closing():
            self._transport.write(self._held)
        self._held = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class BoundedConnection(FramedProtocol):
    """uvicorn's, with what it lacks: httptools collects a head of any size, for any time.

    A head has at most `most_head_bytes` (what arrives with its end does not count), and a whole
    request, body included, `seconds_to_send` from the first byte or from the connection.
    """

    most_head_bytes = 65_536
    seconds_to_send = 30.0

    _is_unfinished = True
    _is_in_head = False
    _head_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, CoalescingTransport(transport, self.loop)))
        self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_deadline()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """The transport closes now, and not by our `close`: who sends no more still reads."""
        cast(CoalescingTransport, self.transport).flush()

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.feed(data)
        except httptools.HttpParserError:
            self.send_400_response("Invalid HTTP request received.")
        if not self._is_unfinished:  # nearly always: a request comes in one piece
            self._unset_deadline()
            return
        self._set_deadline()
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self.most_head_bytes and not self.transport.is_closing():
                self.send_400_response("The head of the request is too large.")

    def on_message_begin(self) -> None:
        self._is_unfinished = self._is_in_head = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_unfinished = False
        super().on_message_complete()

    def _set_deadline(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.seconds_to_send, self.transport.close)

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
