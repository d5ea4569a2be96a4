"""ASGI middleware in front of AgentOS: fetches unknown keys without blocking the event loop."""

import gc
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any, Protocol

import jwt

from issuer.agentos.errors import KeySetUnavailable

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# AgentOS requires no token there; a probe must not wait for an issuer.
_OPEN = frozenset({"/", "/health", "/info", "/docs", "/redoc", "/openapi.json"})


class KeyFetcher(Protocol):
    """Fetches what is needed to verify a token."""

    def start(self) -> None:
        """Start polling in this process."""

    async def prepare_for(self, token: str) -> None:
        """Fetch the key of this token; `KeySetUnavailable` if that is impossible now."""


class KeyFetching:
    """The outermost middleware of the app, pure ASGI; 503 while no key set is available.

    It accepts and refuses no token: AgentOS does.
    """

    def __init__(
        self, app: App, verifier: KeyFetcher, headers: Sequence[str], cookies: Sequence[str]
    ) -> None:
        self.app = app
        self._verifier = verifier
        self._headers = frozenset(name.lower().encode("latin-1") for name in headers)
        self._cookies = tuple(cookies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self._verifier.start()
            send = _freezing_objects(send)
        elif scope["type"] == "websocket":
            receive = self._watching(receive)
        elif scope["type"] == "http" and scope["path"] not in _OPEN:
            try:
                for token in tokens_in(scope, self._headers, self._cookies):
                    await self._prepare_for(token)
            except KeySetUnavailable as error:
                await _unavailable(error, send)
                return
        await self.app(scope, receive, send)

    async def _prepare_for(self, token: str) -> None:
        try:
            await self._verifier.prepare_for(token)
        except KeySetUnavailable:
            raise
        except jwt.InvalidTokenError:
            pass  # AgentOS refuses it

    def _watching(self, receive: Receive) -> Receive:
        """Prepare for the token in a WebSocket message. AgentOS itself accepts or refuses it."""

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                try:
                    for token in _token_in(message.get("text")):
                        await self._prepare_for(token)
                except KeySetUnavailable:
                    pass
            return message

        return watched


def tokens_in(scope: Scope, headers: frozenset[bytes], cookies: Sequence[str]) -> Iterator[str]:
    """What these headers (in lower case) and cookies carry, without `Bearer`."""
    for name, value in scope["headers"]:
        if name in headers:
            text = value.decode("latin-1")
            yield (text[7:] if text[:7].lower() == "bearer " else text).strip()
        elif name == b"cookie" and cookies:
            yield from _in_cookies(value.decode("latin-1"), cookies)


def _in_cookies(header: str, names: Sequence[str]) -> Iterator[str]:
    try:
        cookies = SimpleCookie(header)
    except CookieError:
        return
    yield from (cookies[name].value.strip() for name in names if name in cookies)


def _freezing_objects(send: Send) -> Send:
    """Exclude the objects of a started AgentOS from garbage collection.

    They are some 500,000 and permanent, and a full collection blocks every request meanwhile.
    """

    async def send_after_freeze(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            gc.collect()
            gc.freeze()
        await send(message)

    return send_after_freeze


def _token_in(text: str | None) -> Iterator[str]:
    if text is None or '"authenticate"' not in text:
        return
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return
    if isinstance(message, dict) and isinstance(message.get("token"), str):
        yield message["token"]


async def _unavailable(error: KeySetUnavailable, send: Send) -> None:
    body = json.dumps({"detail": str(error)}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(error.retry_after).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
