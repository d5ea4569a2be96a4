"""A server with configurable faults."""

import json
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

Behaviour = Callable[["HostileHandler"], None]

STANDARD = "/.well-known/oauth-authorization-server"
OPENID = "/.well-known/openid-configuration"
KEYS = "/keys"
FEED = "/feed"


class HostileHandler(BaseHTTPRequestHandler):
    """One request, answered by the behaviour of its path."""

    server: "HostileServer"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.server.asked[path] += 1
        self.server.headers_seen[path] = dict(self.headers)
        self.server.queries_seen[path] = query
        try:
            self.server.behaviours.get(path, answer(b"no such page", status=404))(self)
        except OSError:
            self.close_connection = True  # the client has disconnected

    def log_message(self, *_: Any) -> None:
        pass


class HostileServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 600

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HostileHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.asked: Counter[str] = Counter()
        self.headers_seen: dict[str, dict[str, str]] = {}
        self.queries_seen: dict[str, str] = {}
        self.behaviours: dict[str, Behaviour] = {}
        self.closing = Event()

    def at(self, path: str, behaviour: Behaviour) -> str:
        """Set the behaviour of `path`; returns its URL."""
        self.behaviours[path] = behaviour
        return self.url + path

    def publish(self, key_set: bytes, **headers: str) -> None:
        """Behave as a valid issuer: metadata and a key set."""
        self.at(STANDARD, metadata(self.url, jwks_uri=self.url + KEYS))
        self.at(KEYS, answer(key_set, **headers))

    def publish_feed(self, feed: str | bytes, **headers: str | None) -> None:
        """Behave as a valid issuer with a revocation feed, named in its metadata."""
        named = {"jwks_uri": self.url + KEYS, "revocations_uri": self.url + FEED}
        self.at(STANDARD, metadata(self.url, **named))
        body = feed if isinstance(feed, bytes) else feed.encode()
        defaults = {"content_type": "application/jwt", "cache_control": "max-age=5"}
        self.at(FEED, answer(body, **{**defaults, **headers}))

    def handle_error(self, *_: Any) -> None:
        pass


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    server = HostileServer()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def answer(
    body: bytes = b"",
    *,
    status: int = 200,
    content_type: str | None = "application/json",
    cache_control: str | None = "max-age=300",
    **headers: str,
) -> Behaviour:
    """Header names with `_` for `-`."""
    sent = {"content-type": content_type, "cache-control": cache_control}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}

    def behave(request: HostileHandler) -> None:
        request.send_response(status)
        for name, value in sent.items():
            if value is not None:
                request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    return behave


def metadata(issuer: str, **members: Any) -> Behaviour:
    """RFC 8414 §3.2."""
    return answer(json.dumps({"issuer": issuer, **members}).encode())


def hang(request: HostileHandler) -> None:
    """Send nothing until the server closes."""
    request.server.closing.wait()


def drip(request: HostileHandler) -> None:
    """Send byte after byte, and never the last."""
    answer()(request)
    while not request.server.closing.wait(0.2):
        request.wfile.write(b" ")


def reset(request: HostileHandler) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.connection.close()


def break_off(request: HostileHandler) -> None:
    """Send less than the Content-Length."""
    answer(b'{"keys": [', content_length="1000")(request)


def endless(request: HostileHandler) -> None:
    """Send without end and without a Content-Length."""
    answer()(request)
    while not request.server.closing.is_set():
        request.wfile.write(b" " * 65536)


def held_until(released: Event, then: Behaviour) -> Behaviour:
    def behave(request: HostileHandler) -> None:
        released.wait()
        then(request)

    return behave


def in_turn(*behaviours: Behaviour) -> Behaviour:
    """One after the other, from the start again at the end."""
    count = 0

    def behave(request: HostileHandler) -> None:
        nonlocal count
        count += 1
        behaviours[(count - 1) % len(behaviours)](request)

    return behave
