"""Layers around the application, all of them pure ASGI."""

import re
from collections.abc import Callable, Mapping
from secrets import token_hex
from time import perf_counter

import structlog
from fastapi import FastAPI
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issuer.http import RawHeaders, values_of
from issuer.logs import request_id, request_scope

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

_NEVER_FRAMED = [
    (b"content-security-policy", b"frame-ancestors 'none'"),
    (b"x-frame-options", b"DENY"),
]

log = structlog.get_logger(__name__)


def server_error(_: Scope) -> Response:
    """`server_error` as in RFC 6749 §4.1.2.1, without the cause."""
    return JSONResponse({"error": "server_error"}, 500, headers={"Cache-Control": "no-store"})


class RequestFrame:
    """Outermost: sets the request id, and answers unhandled errors by `unforeseen`."""

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
            log.exception("unexpected_error")
            if started:
                raise
            await self._unforeseen(scope)(scope, receive, send_framed)


class AccessLog:
    """Around everything else: logs one line for each answered request."""

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


class OnlyUnder:
    """HTTP requests whose path starts with `prefix` also pass `layer`."""

    def __init__(self, app: ASGIApp, prefix: str, layer: Callable[[ASGIApp], ASGIApp]) -> None:
        self._app = app
        self._prefix = prefix
        self._layered = layer(app)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_under = scope["type"] == "http" and scope["path"].startswith(self._prefix)
        await (self._layered if is_under else self._app)(scope, receive, send)


class NeverFramed:
    """No other page may frame the answers (CSP Level 3 §6.4.2)."""

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
    """Calls `endpoints` by path directly, `rest` for other paths.

    FastAPI's layers would take a fifth of the time of a token request. Such an endpoint answers
    every method, and raises no error that a layer should handle.
    """

    def __init__(self, rest: FastAPI, endpoints: Mapping[str, ASGIApp]) -> None:
        self.rest = rest
        self._endpoints = {path: RequestFrame(endpoint) for path, endpoint in endpoints.items()}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._endpoints.get(scope.get("path", ""), self.rest)
        await answer(scope, receive, send)
