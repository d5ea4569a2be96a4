"""What the answers of all interfaces have in common."""

import asyncio
from collections.abc import Iterable
from typing import TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from issuer.clock import Clock
from issuer.http.actor import Actor
from issuer.telemetry.logs import request_id

_MAX_ADDRESS = 64
_INTERVAL = 0.03  # seconds

RawHeaders: TypeAlias = list[tuple[bytes, bytes]]


def values_of(headers: RawHeaders, name: bytes) -> list[bytes]:
    """The values of all headers of that name; `name` is in lower case, as in ASGI."""
    # Not `Headers.getlist`, which takes longer.
    return [value for each, value in headers if each == name]


def bearer_token(headers: RawHeaders) -> str | None:
    """The token of the `Authorization` header (RFC 6750 §2.1); of several headers none counts."""
    sent = values_of(headers, b"authorization")
    scheme, _, token = (sent[0] if len(sent) == 1 else b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


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
