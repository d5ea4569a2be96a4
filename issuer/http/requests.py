"""Requests of all interfaces: headers, forms (bounded, in UTF-8), the caller; and answers."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from issuer.clock import Clock
from issuer.errors import IssuerError
from issuer.http.actor import Actor
from issuer.telemetry.logs import request_id

_MAX_ADDRESS = 64
_INTERVAL = 0.03  # seconds

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]
MAX_BYTES = 16 * 1024
MAX_PARAMETERS = 100
FORM = "application/x-www-form-urlencoded"
JSON = "application/json"
_MAX_CONTENT_TYPE_BYTES = 100


def values_of(headers: RawHeaders, name: bytes) -> list[bytes]:
    """The values of all headers of that name; `name` is in lower case, as in ASGI."""
    # Not `Headers.getlist`, which takes longer.
    values = []
    for header, value in headers:  # not a comprehension, which is a call of its own
        if header == name:
            values.append(value)
    return values


def bearer_token(headers: RawHeaders) -> str | None:
    """The token of the `Authorization` header (RFC 6750 §2.1); of several headers none counts."""
    scheme, token = access_token(headers)
    return token if scheme == "bearer" else None


def access_token(headers: RawHeaders) -> tuple[str, str]:
    """The scheme, `bearer` or `dpop`, and the token of the `Authorization` header (RFC 9449 §7.1).

    Both are empty without them, and where there are several headers.
    """
    sent = values_of(headers, b"authorization")
    scheme, _, token = (sent[0] if len(sent) == 1 else b"").decode("latin-1").partition(" ")
    return (scheme.lower(), token.strip()) if scheme.lower() in {"bearer", "dpop"} else ("", "")


async def delay_refusal(clock: Clock, arrived_at: float) -> None:
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
    """A redirect by 303: after 302 or 307 a browser may send a form on (RFC 9700 §4.12)."""
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


class InvalidForm(IssuerError):
    """The body is no form, too large, or ambiguous. `status` is that of HTTP."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def receive_body(
    request: Request, max_bytes: int = MAX_BYTES, media_type: str = FORM
) -> bytes:
    """The body, by default of a form; `InvalidForm`, or `ClientDisconnect` before its end."""
    headers: RawHeaders = request.scope["headers"]
    content_types = values_of(headers, b"content-type")
    only = content_types[0] if len(content_types) == 1 else b""
    if len(only) > _MAX_CONTENT_TYPE_BYTES or not _is_of_type(only, media_type):
        raise InvalidForm(f"The content type must be {media_type}.")
    for declared in values_of(headers, b"content-length"):  # refused before it is received
        if declared.isdigit() and int(declared[:20]) > max_bytes:
            raise _too_large(max_bytes)
    body, is_more = bytearray(), True
    while is_more:  # not `request.stream()`, which takes several times as long
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        is_more = message.get("more_body", False)
    return bytes(body)


def is_form(request: Request) -> bool:
    """Whether the content type is that of a form."""
    content_types = values_of(request.scope["headers"], b"content-type")
    return len(content_types) == 1 and _is_of_type(content_types[0][:_MAX_CONTENT_TYPE_BYTES], FORM)


def parameters(text: bytes, most: int = MAX_PARAMETERS) -> dict[str, str]:
    """The parameters of a form, without empty ones (RFC 6749 §3.2); none may be repeated."""
    found = pairs(text, most)
    if len(dict(found)) != len(found):
        raise InvalidForm("A parameter is repeated.")
    return {name: value for name, value in found if value}


def pairs(text: bytes, most: int = MAX_PARAMETERS) -> list[tuple[str, str]]:
    """The names and values of a form or a query, in order; `InvalidForm` if they are too many."""
    try:
        found = parse_qsl(
            text.decode("utf-8"), keep_blank_values=True, errors="strict", max_num_fields=most
        )
    except ValueError:
        raise InvalidForm("The body is not a form in UTF-8, or has too many parameters.") from None
    for _, value in found:
        if "\0" in value:
            raise InvalidForm("A parameter holds a NUL character.")
    return found


@lru_cache(16)
def _is_of_type(content_type: bytes, expected: str) -> bool:
    media_type, _, parameters = content_type.decode("latin-1").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == expected and charset in {"", "charset=utf-8"}


def _too_large(max_bytes: int) -> InvalidForm:
    return InvalidForm(f"The body may have {max_bytes} bytes.", 413)
