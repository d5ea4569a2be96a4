"""A small server that answers as an AgentOS does, and exposes what a test wants."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from tests.builders import OPERATOR, URL, Deployment
from tests.verifiers.reporting import reported
from tests.verifying_servers import KeySet, Reply, is_signed

READABLE = {"/agents": "agents", "/teams": "teams", "/workflows": "workflows", "/config": "config"}
DATA = ("/sessions", "/memories", "/metrics", "/traces", "/registry", "/knowledge/content")
RESOURCE = "/.well-known/oauth-protected-resource"


@dataclass
class FakeAgentOS:
    """With the key set that it trusts. By default nothing of it is exposed.

    `open` are paths that it answers without a token; `verifies` is whether it does at all.
    `requests` are what it was asked, with the headers.
    """

    key_set: Callable[[], KeySet]
    open: set[str] = field(default_factory=set)
    verifies: bool = True
    checks_scopes: bool = True
    checks_audience: bool = True
    checks_signatures: bool = True
    secret: str | None = None
    socket_needs_token: bool = True
    names: dict[str, str] = field(default_factory=lambda: {"web": "Web", "billing": "Billing"})
    info: dict[str, Any] = field(default_factory=dict)
    interfaces: list[dict[str, Any]] = field(
        default_factory=lambda: [{"type": "a2a", "route": "/a2a"}, {"type": "agui", "route": ""}]
    )
    headers: dict[str, str] = field(default_factory=dict)
    issuer: str = URL
    challenge: str = 'Bearer resource_metadata="https://os.example"'
    answers: dict[str, Reply] = field(default_factory=dict)
    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def reply(self, path: str, token: str | None) -> Reply:
        if path in self.answers:
            return self.answers[path]
        if path == "/info":
            return self._json(200, self._info)
        if path.startswith(RESOURCE):
            return self._json(200, {"resource": self.url, "authorization_servers": [self.issuer]})
        return self._refusal(path, token) or self._content(path)

    def _refusal(self, path: str, token: str | None) -> Reply | None:
        if self.verifies and path not in self.open:
            claims = self._claims(token)
            if claims is None:
                return Reply(401, b"{}", {"WWW-Authenticate": self.challenge})
            if self.checks_scopes and f"{READABLE.get(path)}:read" not in claims["scopes"]:
                return self._json(403, {"detail": "Insufficient permissions"})
        return None

    def _content(self, path: str) -> Reply:
        if path == "/config":
            return self._json(200, self._config)
        if path in self.open or path in READABLE or path in DATA:
            return self._json(200, [])
        return self._json(404, {"detail": "Not Found"})

    def _claims(self, token: str | None) -> dict[str, Any] | None:
        if token is None:
            return None
        claims = jwt.decode(token, options={"verify_signature": False})
        by_secret = jwt.get_unverified_header(token)["alg"] == "HS256"
        if by_secret:
            try:
                undated = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
                jwt.decode(token, self.secret or "x" * 32, ["HS256"], options=undated)
            except jwt.InvalidSignatureError:
                return None
        elif self.checks_signatures and not is_signed(token, self.key_set()):
            return None
        return None if self.checks_audience and claims["aud"] != "my-os" else claims

    def _json(self, status: int, content: object) -> Reply:
        return Reply(status, json.dumps(content).encode(), self.headers)

    @property
    def _info(self) -> dict[str, Any]:
        mcp = {"enabled": True, "path": "/mcp"}
        return {"agno_version": "3.1.10", "mcp": mcp, "user_isolation": True, **self.info}

    @property
    def _config(self) -> dict[str, Any]:
        return {
            "agents": [{"id": id_, "name": name} for id_, name in self.names.items()],
            "teams": [{"id": "support", "name": None}],
            "workflows": [],
            "interfaces": self.interfaces,
        }


@contextmanager
def inspectable(deployment: Deployment) -> Iterator[FakeAgentOS]:
    """An AgentOS of `my-os` that exposes nothing, with a live verifier."""
    keyring = deployment.services.keys.keyring
    reported(deployment, [each.kid for each in keyring.keys])
    with serving_agentos(FakeAgentOS(lambda: json.loads(keyring.jwks.body))) as agent_os:
        with deployment.changing() as work:
            work.audiences.update("my-os", {"url": agent_os.url})
        yield agent_os


@contextmanager
def two_inspecting(deployment: Deployment, agent_os: FakeAgentOS) -> Iterator[None]:
    """Two inspections of `my-os` wait for its answers while the block lasts."""
    released, started = threading.Event(), threading.Semaphore(0)
    administration, answer = deployment.services.administration, agent_os.reply

    def reply(path: str, token: str | None) -> Reply:
        started.release()
        released.wait(20)
        return answer(path, token)

    agent_os.reply = reply  # type: ignore[method-assign]
    inspect = partial(
        administration.inspector.inspect, partial(administration.changing, OPERATOR), "my-os"
    )
    threads = [threading.Thread(target=inspect) for _ in range(2)]
    for each in threads:
        each.start()
        started.acquire()
    try:
        yield
    finally:
        released.set()
        for each in threads:
            each.join()


@contextmanager
def serving_agentos(agent_os: FakeAgentOS) -> Iterator[FakeAgentOS]:
    """It, with the URL at which it answers."""

    class AgentOSHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            agent_os.requests.append((self.path, dict(self.headers)))
            if self.headers.get("Upgrade"):
                self._greet()
                return
            token = self.headers.get("Authorization", "").removeprefix("Bearer ") or None
            reply = agent_os.reply(self.path, token)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def _greet(self) -> None:
            """The first frame of agno (RFC 6455 §5.2)."""
            needs = agent_os.socket_needs_token
            text = json.dumps({"event": "connected", "requires_auth": needs, "message": "m" * 200})
            self.send_response(101)
            for name, value in (("Upgrade", "websocket"), ("Connection", "Upgrade")):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"\x81\x7e" + len(text).to_bytes(2) + text.encode())
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), AgentOSHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        agent_os.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield agent_os
        finally:
            server.shutdown()
