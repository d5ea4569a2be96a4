"""A server on loopback that answers with what a test puts there: key sets, metadata, anything."""

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEYS = "/.well-known/jwks.json"
METADATA = "/.well-known/oauth-authorization-server"


class KeyServer:
    """`url` is also that of the issuer. Paths without an answer are 404.

    `when_asked` has what to do before the answer of a path, in any process that asks for it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: Counter[str] = Counter()
        self.when_asked: dict[str, Callable[[], object]] = {}
        self._answers: dict[str, tuple[int, bytes, dict[str, str]]] = {}

    def put(self, path: str, answer: Any, status: int = 200, **headers: str) -> bytes:
        """Set the answer of `path`: bytes unchanged, other values as JSON. Returns the body."""
        body = answer if isinstance(answer, bytes) else json.dumps(answer, indent=1).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        defaults = {"content-type": "application/json", "cache-control": "max-age=0"}
        self._answers[path] = (status, body, {**defaults, **named})
        return body

    def put_metadata(self, keys: str = KEYS, **members: str) -> None:
        """Publish metadata of the issuer `url` (RFC 8414 §3.2)."""
        self.put(METADATA, {"issuer": self.url, "jwks_uri": self.url + keys, **members})

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        path = path.partition("?")[0]
        self.asked[path] += 1
        self.when_asked.get(path, lambda: None)()
        return self._answers.get(path, (404, b"", {}))


@contextmanager
def running_key_server() -> Iterator[KeyServer]:
    """Serves until the end of the block."""

    class KeySetHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = keys.answer(self.path)
            self.send_response(status)
            for name, value in {**headers, "content-length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), KeySetHandler) as server:
        keys = KeyServer(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield keys
        finally:
            server.shutdown()
            thread.join()
