"""One HTTP request to the issuer: bounded in time and size, no redirect, no decompression."""

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from issuer.client.errors import TokenUnavailable

MAX_BYTES = 256 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """An answer. `document` is None if it is not a JSON object; `retry_after` is in seconds."""

    status: int
    document: dict[str, Any] | None = field(repr=False)
    retry_after: float | None


def default_transport() -> httpx.AsyncBaseTransport:
    """Verifies TLS by the system's CAs, or `SSL_CERT_FILE`. Ignores proxies of the environment."""
    return httpx.AsyncHTTPTransport(verify=_authorities())


@cache
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def send(
    transport: httpx.AsyncBaseTransport,
    method: str,
    url: str,
    seconds: float,
    *,
    headers: dict[str, str] | None = None,
    form: dict[str, str] | None = None,
) -> IssuerAnswer:
    """The answer to one request; `TokenUnavailable` if there is none within `seconds`."""
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    request = httpx.Request(
        method, url, headers=_HEADERS | (headers or {}), data=form, extensions={"timeout": timeout}
    )
    try:
        async with asyncio.timeout(seconds):
            answer = await transport.handle_async_request(request)
            try:
                return await _read(answer)
            finally:
                await answer.aclose()
    except TimeoutError:
        cause = f"did not answer within {seconds:.0f} s"
    except _TooLarge:
        cause = f"answered more than {MAX_BYTES} bytes"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        cause = f"cannot be reached: {error or type(error).__name__}"
    raise TokenUnavailable(f"{url} {cause}.")


class _TooLarge(Exception):
    """The answer has more than `MAX_BYTES`."""


async def _read(answer: httpx.Response) -> IssuerAnswer:
    body = bytearray()
    if answer.headers.get("content-encoding", "identity") == "identity":  # as was asked for
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise _TooLarge
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    found = document if isinstance(document, dict) else None
    return IssuerAnswer(answer.status_code, found, _retry_after(answer.headers))


def _retry_after(headers: httpx.Headers) -> float | None:
    """RFC 9110 §10.2.3: seconds, or a date, compared with the `Date` of the same answer."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        difference = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, difference.total_seconds())
