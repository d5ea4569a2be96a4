"""What the answers of all interfaces have in common."""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from secrets import token_hex
from time import perf_counter
from typing import TypeAlias

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issuer.audit import Actor
from issuer.clock import Clock
from issuer.logs import request_id, request_scope

_MAX_ADDRESS = 64
_INTERVAL = 0.03  # seconds
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]

_NEVER_FRAMED = [
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
]

log = structlog.get_logger(__name__)


def server_error(_: Scope) -> Response:
    """`server_error` as in RFC 6749 §4.1.2.1, without the cause."""
    return JSONResponse({"error": "server_error"}, 500, headers={"Cache-Control": "no-store"})


class RequestFrame:
    """Pure ASGI, outermost: sets the request id, and answers unhandled errors by `unforeseen`."""

    def __init__(
        self, app: ASGIApp, unforeseen: Callable[[Scope], Response] = server_error
    ) -> None:
        self._app = app
        self._unforeseen = unforeseen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        current = _request_id(scope["headers"])
        request_id.set(current)
        request_scope.set(scope)
        started = False

        async def send_framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", current.encode()),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        except ClientDisconnect:
            log.info("client_disconnected")
        except Exception:
            log.exception("unforeseen")
            if started:
                raise
            await self._unforeseen(scope)(scope, receive, send_framed)


class AccessLog:
    """Pure ASGI, around everything else: logs one line for each answered request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), None

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            # `issuer.logs` adds client, address, method and path.
            milliseconds = round((perf_counter() - began) * 1000, 1)
            log.info("request", status=status, milliseconds=milliseconds)


def _request_id(headers: RawHeaders) -> str:
    sent = values_of(headers, b"x-request-id")
    return sent[0].decode() if sent and _REQUEST_ID.fullmatch(sent[0]) else token_hex(16)


def values_of(headers: RawHeaders, name: bytes) -> list[bytes]:
    """The values of all headers of that name; `name` is in lower case, as in ASGI."""
    # Not `Headers.getlist`, which takes longer.
    return [value for each, value in headers if each == name]


def bearer_token(headers: RawHeaders) -> str | None:
    """The token of the `Authorization` header (RFC 6750 §2.1); of several headers none counts."""
    sent = values_of(headers, b"authorization")
    scheme, _, token = (sent[0] if len(sent) == 1 else b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class OnlyUnder:
    """Pure ASGI: HTTP requests whose path starts with `prefix` also pass `layer`."""

    def __init__(self, app: ASGIApp, prefix: str, layer: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app = app
        self._prefix = prefix
        self._layered = layer(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_under = scope["type"] == "http" and scope["path"].startswith(self._prefix)
        await (self._layered if is_under else self._app)(scope, receive, send)


class NeverFramed:
    """Pure ASGI: no other page may frame the answers (CSP Level 3 §6.4.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_unframed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message["headers"], *_NEVER_FRAMED]
                message = {**message, "headers": headers}
            await send(message)

        await self._app(scope, receive, send_unframed)


class DirectRoutes:
    """Pure ASGI, around an application: calls `endpoints` by path directly, `rest` for other paths.

    FastAPI's layers would take a fifth of the time of a token request. Such an endpoint answers
    every method, and raises no error that a layer should handle.
    """

    def __init__(self, rest: FastAPI, endpoints: Mapping[str, ASGIApp]) -> None:
        self.rest = rest
        self._endpoints = {path: RequestFrame(endpoint) for path, endpoint in endpoints.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._endpoints.get(scope.get("path", ""), self.rest)
        await answer(scope, receive, send)


async def at_interval(clock: Clock, arrived_at: float) -> None:
    """Called before a refusal of credentials; `arrived_at` is by the monotonic clock.

    A known client or user takes some queries more than an unknown one. So that timing does not
    tell them apart, refusals are sent at a multiple of an interval after the request arrived.
    """
    await asyncio.sleep(_INTERVAL - (clock.monotonic() - arrived_at) % _INTERVAL)


def caller(request: Request, actor_id: str | None = None) -> Actor:
    """The sender of the request, for the audit log."""
    # Behind a proxy, a caller can choose this text: keep no more than an address can have.
    client = request.scope.get("client")
    address = client[0][:_MAX_ADDRESS] if client else None
    return Actor(actor_id, request_id.get(), address)


def see_other(url: str) -> Response:
    """Not 302 or 307, which may send a form on (RFC 9700 §4.12)."""
    # Not `RedirectResponse`, which would change characters of a registered redirect URI.
    headers = {"Location": url, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return Response(status_code=303, headers=headers)


def document(
    request: Request, body: bytes, *, etag: str, media_type: str, max_age: int
) -> Response:
    """A public document for any origin; 304 if the caller has it already (RFC 9110 §13.1.2)."""
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={max_age}",
        "Access-Control-Allow-Origin": "*",
    }
    if is_known(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def is_known(if_none_match: Iterable[str], etag: str) -> bool:
    """Whether `If-None-Match` names the ETag: weak comparison, RFC 9110 §13.1.2."""
    tags = [tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(",")]
    return etag in tags or "*" in tags
