"""Audit events to a syslog server by TCP or TLS (RFC 5424, RFC 6587 §3.4.1, RFC 5425)."""

import socket
import ssl
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from issuer.audit.push.destination import SECONDS_TO_ANSWER, Message, connection_failure

_AUDIT = 13  # the facility "log audit"
_NOTICE, _INFORMATIONAL = 5, 6
_MAX_MESSAGE_ID = 32
_MOST_READS = 16  # of up to 4096 bytes, which are dropped


@dataclass(eq=False)
class SyslogDestination:
    """One connection for a batch. Syslog has no acknowledgement: it counts as delivered when the
    server closes the connection in order, after this side has.

    A server does so when it has read everything. What it loses after that, nobody notices.
    """

    address: tuple[str, int]
    name: str
    key: str
    origin: str
    certificates: ssl.SSLContext | None
    seconds: float = SECONDS_TO_ANSWER

    def send(self, messages: Sequence[Message]) -> None:
        self._deliver(b"".join(frame(message, self.origin) for message in messages))

    def check(self) -> str:
        self._deliver(b"")
        return "It accepts and closes a connection. No event was sent."

    def _deliver(self, frames: bytes) -> None:
        ends = monotonic() + self.seconds
        try:
            with self._connect(ends) as connection:
                rest = memoryview(frames)
                while rest:
                    rest = rest[_with_timeout(connection, ends).send(rest) :]
                _close_in_order(connection, ends)
        except OSError as error:
            raise connection_failure(error) from None

    def _connect(self, ends: float) -> socket.socket:
        connection = socket.create_connection(self.address, self.seconds)
        if self.certificates is None:
            return connection
        try:
            timed, host = _with_timeout(connection, ends), self.address[0]
            return self.certificates.wrap_socket(timed, server_hostname=host)
        except BaseException:
            connection.close()
            raise


def frame(message: Message, origin: str) -> bytes:
    """The message with its length before it; without a byte order mark, since it is ASCII."""
    severity = _NOTICE if message.is_refusal else _INFORMATIONAL
    at = message.at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    message_id = message.action.replace(" ", "_")[:_MAX_MESSAGE_ID]
    head = f"<{_AUDIT * 8 + severity}>1 {at} {origin} agentos-issuer - {message_id} -"
    line = f"{head} {message.text}".encode("ascii")
    return f"{len(line)} ".encode() + line


def _with_timeout(connection: socket.socket, ends: float) -> socket.socket:
    """The connection, whose next operation ends in time, even if the server sends byte by byte."""
    if (left := ends - monotonic()) <= 0:
        raise TimeoutError
    connection.settimeout(left)
    return connection


def _close_in_order(connection: socket.socket, ends: float) -> None:
    """`OSError` if the server resets it or is late. Many close without a closing message of TLS."""
    if isinstance(connection, ssl.SSLSocket):
        with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
            _with_timeout(connection, ends)
            connection = connection.unwrap()
    with suppress(BrokenPipeError):
        connection.shutdown(socket.SHUT_WR)
    for _ in range(_MOST_READS):
        if not _with_timeout(connection, ends).recv(4096):
            return
    raise ConnectionError("the server answers instead of closing")
