"""A bound on the size of request bodies."""

from math import inf

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issuer.rate_limits.rate import RefusalPace

MAX_BYTES = 1024 * 1024
_MAX_UNREAD = 64 * 1024
# Not 404, 409 and 412: these are results of operations, which callers handle.
_REFUSED = {400, 401, 403, 405, 413, 415, 422, 503}


class BodyLimit:
    """Pure ASGI: 413 for a body over 1 MiB. The connection closes if much of it has not arrived."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        read, length = 0, _length(scope)

        async def bounded() -> Message:
            nonlocal read, length
            message = await receive()
            read += len(message.get("body", b""))
            if read > MAX_BYTES:
                raise HTTPException(413, f"The body has more than {MAX_BYTES} bytes.")
            if not message.get("more_body"):
                length = read
            return message

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and length - read > _MAX_UNREAD:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            await send(message)

        await self._app(scope, bounded, closing)


class PacedRefusals:
    """Pure ASGI: limits the rate of refusals sent to one address."""

    def __init__(self, app: ASGIApp, pace: RefusalPace) -> None:
        self._app = app
        self._pace = pace

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def paced(message: Message) -> None:
            if message.get("status") in _REFUSED:
                client = scope.get("client")
                await self._pace.wait(client[0] if client else None)
            await send(message)

        await self._app(scope, receive, paced)


def _length(scope: Scope) -> float:
    """The number of bytes of the body; infinite for a chunked body."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return inf
    return int(headers.get(b"content-length", 0))
