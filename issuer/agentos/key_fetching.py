"""ASGI middleware in front of AgentOS: fetches unknown keys without blocking the event loop."""

import gc
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Any

import jwt

from issuer.agentos import caller
from issuer.agentos.errors import KeySetUnavailable
from issuer.agentos.open_sockets import OpenSocket
from issuer.agentos.usage import UsageReporter

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# AgentOS requires no token there; a probe must not wait for an issuer.
_OPEN = frozenset({"/", "/health", "/info", "/docs", "/redoc", "/openapi.json"})

_SCHEMES = frozenset({"bearer", "dpop"})


class TokenPlaces:
    """The headers and the cookies that may carry a token."""

    def __init__(self, headers: Iterable[str], cookies: Iterable[str]) -> None:
        self._headers = frozenset(name.lower().encode("latin-1") for name in headers)
        self._cookies = sorted(cookies)

    def tokens_in(self, scope: Scope) -> Iterator[str]:
        """What they carry, without `Bearer` or `DPoP`."""
        for name, value in scope["headers"]:
            if name in self._headers:
                text = value.decode("latin-1")
                scheme, _, credentials = text.partition(" ")
                yield (credentials if scheme.lower() in _SCHEMES else text).strip()
            elif name == b"cookie" and self._cookies:
                with suppress(CookieError):
                    jar = SimpleCookie(value.decode("latin-1"))
                    yield from (jar[name].value.strip() for name in self._cookies if name in jar)


@dataclass(eq=False)
class KeyFetching:
    """Outermost, pure ASGI: 503 while no key set is available. AgentOS itself refuses tokens."""

    app: App
    places: TokenPlaces
    start: Callable[[], None]
    prepare_for: Callable[[str], Awaitable[None]]
    require_valid: Callable[[str], None]
    usage: UsageReporter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.start()
            await self.app(scope, receive, self._with_lifespan(send))
            return
        if scope["type"] == "websocket":
            by = (self._prepare_quietly, self.require_valid)
            socket = OpenSocket(scope, receive, send, *by)
            receive, send = socket.receive, socket.send
        elif scope["type"] == "http" and scope["path"] not in _OPEN:
            try:
                for token in self.places.tokens_in(scope):
                    await self._prepare_quietly(token)
            except KeySetUnavailable as error:
                retry_after = str(error.retry_after).encode()
                more = [(b"retry-after", retry_after), (b"cache-control", b"no-store")]
                await send_json(send, 503, json.dumps({"detail": str(error)}).encode(), more)
                return
        is_socket = scope["type"] == "websocket"
        decisions = self.usage.decisions(is_socket=is_socket) if self.usage else None
        with caller.in_request(scope, decisions):
            await self.app(scope, receive, send)

    async def _prepare_quietly(self, token: str) -> None:
        try:
            await self.prepare_for(token)
        except jwt.InvalidTokenError as error:  # AgentOS refuses it
            if isinstance(error, KeySetUnavailable):
                raise

    def _with_lifespan(self, send: Send) -> Send:
        async def send_in_time(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                # Some 500,000 permanent objects, the collection of which blocks every request.
                gc.collect()
                gc.freeze()
            elif message["type"].startswith("lifespan.shutdown.") and self.usage:
                await self.usage.async_stop()
            await send(message)

        return send_in_time


async def send_json(send: Send, status: int, body: bytes, more: Headers, method: str = "") -> None:
    """Answer with this document and `more` headers; without the document to HEAD."""
    length = str(len(body)).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", length), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
