"""Receivers of audit events: HTTP and syslog servers on loopback that fail as they are told to."""

import json
import socket
import ssl
import struct
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingTCPServer
from threading import Event, Thread
from typing import Any

NOT_LINGERING = struct.pack("ii", 1, 0)


def reset(connection: socket.socket) -> None:
    """Close with RST, as a process that is gone or a firewall does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOT_LINGERING)
    connection.close()


class HttpReceiver(ThreadingHTTPServer):
    """Keeps the lines that it has received. `answers` are statuses, or what a handler does.

    None resets the connection after the lines were kept. Without answers left it says 204.
    """

    daemon_threads = True

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), PostHandler)
        self.scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
            self.scheme = "https"
        self.lines: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.answers: deque[int | Callable[[PostHandler], None] | None] = deque()

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_port}/events/s3cr3t"

    @property
    def connections(self) -> int:
        return len(self.headers)

    def handle_error(self, *_: Any) -> None:
        pass


class PostHandler(BaseHTTPRequestHandler):
    server: HttpReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        answer = self.server.answers.popleft() if self.server.answers else 204
        self.server.headers.append(dict(self.headers))
        if answer is None or answer == 204:
            self.server.lines += map(json.loads, body.decode().splitlines())
        if answer is None:
            reset(self.connection)
        elif callable(answer):
            answer(self)
        else:
            self.answer(answer)

    def answer(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content-length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


class SyslogReceiver(ThreadingTCPServer):
    """Keeps the messages that it has received (RFC 6587 §3.4.1). `resets` connections at first.

    If it `drips`, it reads or, at the end, writes a byte each `seconds_between`, and never stops.
    """

    daemon_threads = True
    seconds_between = 0.2

    def __init__(self, certificate: Path | None = None, resets: int = 0, drips: str = "") -> None:
        super().__init__(("127.0.0.1", 0), SyslogHandler)
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.scheme = "syslog+tls" if certificate else "syslog"
        self.resets = resets
        self.drips = drips
        self.connections = 0
        self.released = Event()
        self.messages: list[str] = []

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.server_address[1]}"

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(message.split(" - ", 2)[-1]) for message in self.messages]

    def handle_error(self, *_: Any) -> None:
        pass


class SyslogHandler(BaseRequestHandler):
    server: SyslogReceiver

    def handle(self) -> None:
        self.server.connections += 1
        connection = self.request
        if self.server.context is not None:
            connection = self.server.context.wrap_socket(connection, server_side=True)
        if self.server.drips:
            self._drip(connection)
            return
        with connection, connection.makefile("rb") as stream:
            while length := _length(stream):
                self.server.messages.append(stream.read(length).decode("ascii"))
                if self.server.resets:
                    self.server.resets -= 1
                    reset(connection)
                    return

    def _drip(self, connection: socket.socket) -> None:
        reads = self.server.drips == "while it reads"
        while not reads and connection.recv(1_000_000):
            pass
        with suppress(OSError):
            while not self.server.released.wait(self.server.seconds_between):
                connection.recv(1) if reads else connection.send(b"x")


def _length(stream: Any) -> int:
    digits = b""
    while (byte := stream.read(1)).isdigit():
        digits += byte
    return int(digits or b"0")


@contextmanager
def serving(receiver: HttpReceiver | SyslogReceiver) -> Iterator[Any]:
    thread = Thread(target=receiver.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        getattr(receiver, "released", Event()).set()
        receiver.shutdown()
        receiver.server_close()


def sent_twice_without_mark(events: Iterable[dict[str, Any]]) -> list[tuple[str, int]]:
    """Events of which more than one copy does not say that it may have been sent before."""
    copies = Counter((each["chain"], each["seq"]) for each in events if not each.get("resent"))
    return [identity for identity, number in copies.items() if number > 1]
