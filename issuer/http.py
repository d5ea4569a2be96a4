"""What every answer of the server has, whichever door it leaves by."""

import re
from collections.abc import Iterable
from uuid import uuid4

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issuer.audit import Actor
from issuer.logs import request_id

_LONGEST_ADDRESS = 64
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")

log = structlog.get_logger(__name__)


class RequestFrame:
    """Pure ASGI, outermost: the request id, and `server_error` for anything unforeseen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        current = _request_id(Headers(scope=scope))
        request_id.set(current)
        started = False

        async def send_framed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                headers["X-Request-Id"] = current
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        try:
            await self._app(scope, receive, send_framed)
        except ClientDisconnect:
            log.info("client_disconnected", method=scope["method"], path=scope["path"])
        except Exception:
            log.exception("unforeseen", method=scope["method"], path=scope["path"])
            if started:
                raise
            answer = JSONResponse(
                {"error": "server_error"}, 500, headers={"Cache-Control": "no-store"}
            )
            await answer(scope, receive, send_framed)


def _request_id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid4().hex


def caller(request: Request, actor_id: str | None = None) -> Actor:
    """Who sends the request, as the audit wants to know it."""
    # A proxy passes on what a caller wrote there: no more of it than an address can have.
    address = request.client.host[:_LONGEST_ADDRESS] if request.client else None
    return Actor(actor_id, request_id.get(), address)


def document(
    request: Request, body: bytes, *, etag: str, media_type: str, max_age: int
) -> Response:
    """A public document: 304 if the caller has it already (RFC 9110 §13.1.2), readable by pages."""
    headers = {
        "ETag": etag,
        "Cache-Control": f"public, max-age={max_age}",
        "Access-Control-Allow-Origin": "*",
    }
    if _has_it(request.headers.getlist("if-none-match"), etag):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=media_type, headers=headers)


def _has_it(if_none_match: Iterable[str], etag: str) -> bool:
    tags = [tag.strip().removeprefix("W/") for line in if_none_match for tag in line.split(",")]
    return etag in tags or "*" in tags
