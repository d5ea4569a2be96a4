"""How a server sends: in few packets, without copies, and only to clients that read."""

import asyncio
from collections.abc import Callable
from typing import Any


class BoundedTransport:
    """A transport that joins small writes, and ends a connection that does not read its answer.

    uvicorn writes the head of an answer and then its body. Each of them sent alone is a system
    call, and wakes the other side. Only `write` and `close` keep the order: uvicorn calls no
    other method that sends.
    """

    seconds_to_take = 30.0
    least_taken = 65_536
    seconds_to_stop = 2.0
    """For a caller that is answered while it sends: to see the answer, and to close."""
    largest_copied = 16_384

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        is_receiving: Callable[[], bool],
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._is_receiving = is_receiving
        self.is_ending = False
        self._stop: asyncio.TimerHandle | None = None
        self._held = b""
        self._written = 0
        self._is_watched = False
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Leaves with what is written next, at the latest in the next round of the loop."""
        if not self._held:
            self._held = data
            self._loop.call_soon(self.flush)
        else:
            head, self._held = self._held, b""
            self._send(head, data)

    def close(self) -> None:
        """Send what was written, then close.

        A caller that still sends would lose the answer (RFC 9112 §9.6): only the sending half is
        closed, until the caller closes, `close` is called again, or `seconds_to_stop` are over.
        """
        self.flush()
        if self.is_closing() or not self._is_receiving():
            self._transport.close()
            return
        self.is_ending = True
        self.is_closing = lambda: True
        self._transport.write_eof()
        self._stop = self._loop.call_later(self.seconds_to_stop, self._transport.close)

    def forget(self) -> None:
        """Hold nothing once the connection is lost."""
        if self._stop is not None:
            self._stop.cancel()
        self._is_receiving = lambda: False

    def flush(self) -> None:
        """Send what was written."""
        if self._held:
            head, self._held = self._held, b""
            self._send(head, b"")

    def _send(self, head: bytes, body: bytes) -> None:
        if self.is_closing():  # uvloop raises once the connection is lost
            return
        if len(body) > self.largest_copied:  # the same bytes may be on their way to many
            self._transport.writelines([head, body])
        else:
            self._transport.write(head + body)
        self._written += len(head) + len(body)
        if not self._is_watched and self._transport.get_write_buffer_size():
            self._watch()

    def _watch(self) -> None:
        unsent = self._transport.get_write_buffer_size()
        self._is_watched = unsent > 0
        if unsent:
            due = self._written - unsent + min(unsent, self.least_taken)
            self._loop.call_later(self.seconds_to_take, self._abort_unless_sent, due)

    def _abort_unless_sent(self, due: int) -> None:
        if self._written - self._transport.get_write_buffer_size() < due:
            self._transport.abort()
        else:
            self._watch()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
