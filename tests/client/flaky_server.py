"""An issuer on a socket whose token endpoint is slow and fails in turn, and counts."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

LIFETIME = 2.0
SLOWNESS = 0.2
FAULTS = ("503", "429", "garbage", "drop", "half")


class FlakyIssuer(ThreadingHTTPServer):
    """Every request before a success meets one of `FAULTS`, two of them before some."""

    daemon_threads = True
    request_queue_size = 100

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), FlakyHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.lock = threading.Lock()
        self.in_flight = 0
        self.most_in_flight = 0
        self.faults: list[str] = []
        self.issued: dict[str, float] = {}
        self._steps = self._script()

    def step(self) -> str:
        """What happens to the next token request."""
        with self.lock:
            return next(self._steps)

    def accepts(self, token: str | None) -> bool:
        """As a service does that verifies the expiry, without leeway."""
        return token in self.issued and time.monotonic() < self.issued[token] + LIFETIME

    def _script(self) -> Iterator[str]:
        for number in count():
            yield FAULTS[number % len(FAULTS)]
            if number % 3 == 0:
                yield FAULTS[(number + 2) % len(FAULTS)]
            yield "token"

    def handle_error(self, *_: Any) -> None:
        pass


class FlakyHandler(BaseHTTPRequestHandler):
    """One request."""

    server: FlakyIssuer

    def do_GET(self) -> None:
        url = self.server.url
        self.answer(200, {"issuer": url, "token_endpoint": f"{url}/token"})

    def do_POST(self) -> None:
        server = self.server
        with server.lock:
            server.in_flight += 1
            server.most_in_flight = max(server.most_in_flight, server.in_flight)
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SLOWNESS)
        with server.lock:
            server.in_flight -= 1  # before the answer: the client may be fast
        self.behave(server.step())

    def behave(self, step: str) -> None:
        server = self.server
        if step == "token":
            with server.lock:
                token = f"token-{len(server.issued) + 1}"
                server.issued[token] = time.monotonic()
            members = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
            self.answer(200, members)
            return
        with server.lock:
            server.faults.append(step)
        if step == "503":
            self.answer(503, {"error": "temporarily_unavailable"})
        elif step == "429":
            self.answer(429, {"error": "slow_down"}, ("Retry-After", "1"))
        elif step == "garbage":
            self.answer(200, b"<html>Welcome</html>")
        elif step == "half":
            self.answer(200, b'{"access_token": "tok', ("Content-Length", "500"))
        self.close_connection = True

    def answer(self, status: int, body: Any, *headers: tuple[str, str]) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers or [("Content-Length", str(len(content)))]:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def flaky_issuer() -> Iterator[FlakyIssuer]:
    server = FlakyIssuer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
