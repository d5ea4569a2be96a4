"""A connection to the server: pending data is bounded, and so is the time of each step."""

import asyncio
from typing import cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl

from issuer.background.workers import IN_SCOPE, WaitingCaller
from issuer.server.connection_limit import ConnectionLimit, LimitedConnection
from issuer.server.framing import FramedProtocol, RequestRefused
from issuer.server.transport import BoundedTransport
from issuer.telemetry.logs import get_logger

_SAFE = {b"GET", b"HEAD"}
_END_OF_HEAD = b"\r\n\r\n"
# About twenty heads. Were each parsed alone, empty lines in a body would be as well, which
# look like the end of one: 200 kB of them took 70 ms.
_LEAST_BYTES_OF_A_PIECE = 512

log = get_logger(__name__)


class BoundedConnection(FramedProtocol):
    """Answers one request after the other, and reads no further than it answers.

    uvicorn (0.54) reads and keeps any number of requests while one is answered, sends its 400 in
    the place of an answer that is under way, closes when the client sends no more, and an empty
    line between requests ends its wait for an idle client. Here about twenty heads are parsed
    ahead; the rest of a read waits as bytes, and the socket is not read until they are answered.
    """

    seconds_to_send = 30.0
    """For a whole request, body included, from its first byte or from the connection."""
    limit = ConnectionLimit(4096)
    max_dropped = 2**20
    """Bytes of a request after its answer has left, on a connection that is to be closed."""

    _unparsed = b""
    _refusal = ""
    _dropped = 0
    _deadline: asyncio.TimerHandle | None = None
    _deadline_is_of: object = None
    _answered_at = 0.0  # or accepted

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._bounded = BoundedTransport(transport, self.loop, self._is_receiving)
        super().connection_made(cast(asyncio.Transport, self._bounded))
        self.flow = self._flow = _Flow(self)
        self._answered_at = self.loop.time()
        self.limit.admit(self, cast(set[LimitedConnection], self.connections))
        self._set_deadlines()

    def connection_lost(self, exc: Exception | None) -> None:
        self._unset_deadline()
        self._bounded.forget()
        self._unset_keepalive_if_required()  # uvicorn does so only where there was no error
        self.pipeline.clear()
        self._note_that_caller_left()
        super().connection_lost(exc)
        self.limit.remove(self, cast(set[LimitedConnection], self.connections))
        # They refer to each other: the collector comes late, and much may have waited here.
        self.cycle = self.scope = self._deadline_is_of = None  # type: ignore[assignment]
        self._flow.forget()

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            self._drop(len(data))
            return
        self._unparsed += data
        self._read()

    def on_headers_complete(self) -> None:
        if self.parser.get_method() in _SAFE:
            cast(dict[str, object], self.scope)[IN_SCOPE] = WaitingCaller()
        super().on_headers_complete()

    def eof_received(self) -> bool:  # type: ignore[override]
        self._note_that_caller_left()
        self._expect_no_more()
        return True  # the transport stays open until it is closed here

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        self._answered_at = self.loop.time()
        if self.transport.is_closing():
            if self._bounded.is_ending:
                self._drop(len(self._unparsed))
            return
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._refusal:
            self.send_400_response(self._refusal)
            return
        if self._unparsed:
            self._read()
        else:
            self._set_deadlines()
        if self.flow.read_paused:
            self.flow.resume_reading()

    @property
    def waits_since(self) -> float | None:
        """When it was last answered, if the caller has to send or to read now; otherwise None."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_sending = self._is_in_body and not self.pipeline  # the request that is answered
        waits = not is_answering or is_sending or self.flow.write_paused
        return self._answered_at if waits else None

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _is_receiving(self) -> bool:
        return self._is_in_body and not self._refusal

    def _drop(self, count: int) -> None:
        """Read on, up to a bound, where the answer has left and the caller still sends."""
        self._unparsed = b""
        self.cycle.body.clear()
        self._dropped += count
        if self._dropped > self.max_dropped:
            self.transport.close()
        elif self.flow.read_paused:
            self.flow.resume_reading()

    @property
    def has_waiting(self) -> bool:
        """Whether an answer must leave before anything more is read."""
        return bool(self.pipeline or self._unparsed or self._refusal)

    def _read(self) -> None:
        """Parse until a request waits for the answer to another."""
        try:
            while self._unparsed and not self.pipeline:
                self.feed(self._next_piece())
        except httptools.HttpParserError as error:
            self._refuse(error)
        if self.pipeline or self._refusal:
            self.flow.pause_reading()
        self._set_deadlines()

    def _next_piece(self) -> bytes:
        """What was read, or of much, what ends with a head."""
        piece, self._unparsed = self._unparsed, b""
        end = piece.find(_END_OF_HEAD, _LEAST_BYTES_OF_A_PIECE)
        if end > 0:
            end += len(_END_OF_HEAD)
            piece, self._unparsed = piece[:end], piece[end:]
        return piece

    def _refuse(self, error: httptools.HttpParserError) -> None:
        """Answer 400 in its turn, close, and parse nothing more."""
        cause = error.__context__
        if isinstance(cause, RequestRefused):  # no other is shown: it may quote the request
            error = cause
        self._refusal = f"Invalid request: {error}"
        log.debug("invalid_request", address=self.client and self.client[0], reason=self._refusal)
        self._unparsed = b""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if not self._is_in_body:  # it has no application yet, but others may be under way
            if not is_answering:
                self.send_400_response(self._refusal)
        elif self.pipeline:
            self.pipeline.popleft()  # it waited, and those before it are answered first
        elif not self.cycle.response_started:
            self.send_400_response(self._refusal)
        else:
            self.transport.close()

    def _expect_no_more(self) -> None:
        """Close the connection, after the answer to a request that was received."""
        is_answering = self.cycle is not None and not self.cycle.response_complete
        if is_answering and not self._is_in_body:
            self.cycle.keep_alive = False
        else:
            self.transport.close()

    def _note_that_caller_left(self) -> None:
        """Let the queries of the request end, as nginx does.

        An answer without a query is still sent. A caller that only sends no more counts as well:
        nothing tells it from a browser that was closed.
        """
        caller = self.cycle and self.cycle.scope.get(IN_SCOPE)
        if caller is not None:
            cast(WaitingCaller, caller).leave()

    def _set_deadlines(self) -> None:
        """One for a request that is being received, or else for the next one to begin."""
        if not (self._is_in_head or self._is_in_body or self.cycle is None):
            if self._deadline is not None:
                self._unset_deadline()
            if self.timeout_keep_alive_task is None:
                self._close_later(self.timeout_keep_alive)
        elif self.has_waiting:
            self._unset_deadline()
        elif self._deadline is None or self._deadline_is_of is not self.scope:
            self._unset_deadline()
            self._deadline = self.loop.call_later(self.seconds_to_send, self._expect_no_more)
            self._deadline_is_of = self.scope

    def _close_later(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self._close_if_idle)

    def _close_if_idle(self) -> None:
        """Close where no answer has left for so long; a timer for each request would cost more."""
        self.timeout_keep_alive_task = None
        if self._is_in_head or self._is_in_body or not self.cycle.response_complete:
            return
        if (rest := self._answered_at + self.timeout_keep_alive - self.loop.time()) > 0:
            self._close_later(rest)
        else:
            self.transport.close()

    def _unset_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _Flow(FlowControl):
    """Reads nothing while something waits: uvicorn resumes for each body that is asked for."""

    def __init__(self, connection: BoundedConnection) -> None:
        super().__init__(connection.transport)
        self._connection: BoundedConnection | None = connection

    def resume_reading(self) -> None:
        if self.read_paused and self._connection and not self._connection.has_waiting:
            super().resume_reading()

    def forget(self) -> None:
        """The connection is lost."""
        self._connection = None
