"""An issuer of three documents, whose keys, answers and outages a test controls."""

import json
import threading
import time
from collections.abc import Iterable
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.agentos.tokens import Tokens
from tests.journeys.running_issuer import reserved_port, wait_until

METADATA = "/.well-known/oauth-authorization-server"
KEY_SET = "/.well-known/jwks.json"
FEED = "/.well-known/revocations"
TOKEN = "/oauth2/token"
USAGE = "/admin/v1/usage"
MAX_SILENCE = 30


class FakeIssuer:
    """Serves metadata (RFC 8414), a key set and a revocation feed on a port of its own.

    `keys` are the ones in the key set, the newest last; `max_age` is for how many seconds it may
    be cached; `fetches` counts its requests. `revoked` are the entries of the feed, None if it is
    unavailable; `feed_max_age` and `feed_fetches` are those of the feed. `usage` are the reports
    that verifiers posted, with a token of the only client, and were answered with `usage_status`;
    longer ones than `usage_limit` bytes are refused.
    """

    def __init__(self, *, max_age: int = 300) -> None:
        self._held = ExitStack()
        self._port = self._held.enter_context(reserved_port())
        self.url = f"http://127.0.0.1:{self._port}"
        self.max_age = max_age
        self.fetches = 0
        self.revoked: dict[str, Any] | None = {
            **{member: {} for member in ("jti", "sid", "sub", "client_id", "aud")},
            "kid": [],
        }
        self.feed_max_age = 5
        self.feed_fetches = 0
        self.usage: list[dict[str, Any]] = []
        self.usage_status = 204
        self.usage_limit = 1024 * 1024
        self.answering = threading.Event()
        self.answering.set()
        self.keys = [self.new_key()]
        self._server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.answering.set()
        self.stop()
        self._held.close()

    @property
    def newest(self) -> Tokens:
        return self.keys[-1]

    def issue(self, scopes: Iterable[str] = (), **claims: Any) -> str:
        """A token of the newest key."""
        return self.newest.issue(scopes, **claims)

    def new_key(self, kid: str | None = None) -> Tokens:
        """A key whose tokens name this issuer; not published."""
        return Tokens(kid=kid, issuer=self.url)

    def rotate(self) -> None:
        """Publish a new key beside the others, and sign with it."""
        self.keys = [*self.keys, self.new_key()]

    def start(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), self._handler())
        threading.Thread(target=self._server.serve_forever, args=[0.02], daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def wait_for_fetches(self, more: int, seconds: float = 10) -> None:
        """Return when the key set has been fetched `more` times from now."""
        enough = self.fetches + more
        wait_until(lambda: self.fetches >= enough, seconds, f"{self.url} was asked {more} times")

    def wait_for_feeds(self, more: int, seconds: float = 20) -> None:
        """Return when the feed has been fetched `more` times from now."""
        enough = self.feed_fetches + more
        wait_until(lambda: self.feed_fetches >= enough, seconds, f"{FEED} was asked {more} times")

    def document(self, path: str) -> str | None:
        if path == METADATA:
            named = {"jwks_uri": self.url + KEY_SET, "revocations_uri": self.url + FEED}
            named["token_endpoint"] = self.url + TOKEN
            return json.dumps({"issuer": self.url, **named})
        if path == KEY_SET:
            return json.dumps({"keys": [jwk for key in self.keys for jwk in key.jwks["keys"]]})
        return self.feed() if path == FEED else None

    def posted(self, path: str, authorization: str | None, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        if path == TOKEN:
            token = {"access_token": "of-reporter", "token_type": "Bearer", "expires_in": 900}
            return 200, json.dumps(token).encode()
        if path != USAGE or authorization != "Bearer of-reporter":
            return 401, b""
        if len(body) > self.usage_limit:
            return 413, b""
        self.usage.append(json.loads(body))
        return self.usage_status, b""

    def feed(self) -> str | None:
        """A revocation feed (docs/reference/revocation-feed.md), signed with the newest key."""
        if self.revoked is None:
            return None
        now = int(time.time())
        claims = {"iss": self.url, "iat": now, "exp": now + 600, "revoked": self.revoked}
        return self.newest.sign(claims, "revocations+jwt")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class FakeIssuerHandler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answering.wait(MAX_SILENCE)
                path = self.path.partition("?")[0]
                document = issuer.document(path)
                body = (document or "").encode()
                max_age = issuer.feed_max_age if path == FEED else issuer.max_age
                self.send_response(404 if document is None else 200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", f"max-age={max_age}")
                self.end_headers()
                self.wfile.write(body)
                issuer.fetches += path == KEY_SET
                issuer.feed_fetches += path == FEED

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = issuer.posted(self.path, self.headers["Authorization"], body)
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_: Any) -> None:
                """Log nothing."""

        return FakeIssuerHandler
