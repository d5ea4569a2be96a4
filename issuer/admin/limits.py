"""What requests of the admin API pass before their operation. Pure ASGI."""

from math import inf

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from issuer.fields.text import with_encoded_slashes
from issuer.rate_limits.request_limits import RefusalPace

MAX_BYTES = 1024 * 1024
_MAX_UNREAD = 64 * 1024
# Not 404, 409 and 412: these are results of operations, which callers handle.
_REFUSED = {400, 401, 403, 405, 413, 415, 422, 503}


def bound_body(app: ASGIApp) -> ASGIApp:
    """413 for a body over 1 MiB. The connection closes if much of it has not arrived."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
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

        await app(scope, bounded, closing)

    return layer


def _length(scope: Scope) -> float:
    """The number of bytes of the body; infinite for a chunked body."""
    headers = dict(scope["headers"])
    if b"transfer-encoding" in headers:
        return inf
    return int(headers.get(b"content-length", 0))


def pace_refusals(app: ASGIApp, pace: RefusalPace) -> ASGIApp:
    """Limit the rate of refusals sent to one address."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        async def paced(message: Message) -> None:
            if message.get("status") in _REFUSED:
                client = scope.get("client")
                await pace.wait(client[0] if client else None)
            await send(message)

        await app(scope, receive, paced)

    return layer


def route_by_raw_path(app: ASGIApp) -> ASGIApp:
    """Routes find segments before `%2F` became a slash, and have to decode their parameters."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        raw_path: bytes | None = scope.get("raw_path")
        if raw_path is not None:
            scope = {**scope, "path": with_encoded_slashes(raw_path.decode("latin-1"))}
        await app(scope, receive, send)

    return layer


def answer_head_as_get(app: ASGIApp) -> ASGIApp:
    """Answer HEAD like GET, without the content."""

    async def layer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            is_content = message["type"] == "http.response.body"
            await send({**message, "body": b""} if is_content else message)

        await app({**scope, "method": "GET"}, receive, send_head)

    return layer


def admin_layers(app: ASGIApp, pace: RefusalPace) -> ASGIApp:
    """The application with all of them."""
    return answer_head_as_get(pace_refusals(bound_body(route_by_raw_path(app)), pace))
