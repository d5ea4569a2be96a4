"""One bounded GET: a total deadline, a size limit, no redirect, no decompression."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from issuer.agentos.errors import InvalidConfiguration, NotFetched

DEADLINE = 5.0
MAX_BYTES = 1024 * 1024
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_JSON = re.compile(r"application/([a-z0-9.-]+\+)?(json|jwt)\s*(;.*)?", re.IGNORECASE)
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. `body` is None if unchanged (304), `max_age` (seconds) if it does not say."""

    body: bytes | None
    etag: str | None
    max_age: float | None


def require_safe(url: str, *, allow_http: bool) -> None:
    """`InvalidConfiguration` unless TLS or loopback protects the answer of `url`."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # parsed only on access
    except ValueError as error:
        raise InvalidConfiguration(f"{url!r} is not a URL: {error}") from None
    if parts.scheme not in {"https", "http"} or not parts.netloc or "@" in parts.netloc:
        raise InvalidConfiguration(f"{url!r} is not an https:// URL without user and password.")
    if parts.scheme == "http" and not allow_http and not _LOOPBACK.fullmatch(parts.netloc):
        raise InvalidConfiguration(
            f"{url} is not https://: an attacker on the network could replace the keys. In a"
            " trusted network, set dangerously_allow_http=True (--dangerously-allow-http)."
        )


def new_client() -> httpx.AsyncClient:
    """A client for `fetch`. Ignores proxies of the environment, cookies and redirects."""
    headers = {"Accept": "application/json, */*;q=0.1", "Accept-Encoding": "identity"}
    transport = httpx.AsyncHTTPTransport(verify=authorities())  # turns off proxies
    return httpx.AsyncClient(
        headers=headers, timeout=DEADLINE, follow_redirects=False, transport=transport
    )


@cache
def authorities() -> ssl.SSLContext:
    """Trusted CAs, from `SSL_CERT_FILE` if set. Loading them takes longer than a fetch."""
    return httpx.create_ssl_context()


async def fetch(
    client: httpx.AsyncClient,
    url: str,
    etag: str | None = None,
    *,
    max_bytes: int = MAX_BYTES,
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """The JSON that `url` answers within `DEADLINE` seconds; else `NotFetched` with the cause."""
    if etag and etag.isascii():
        headers = {**(headers or {}), "If-None-Match": etag}
    async with open_answer(client, "GET", url, headers=headers) as answer:
        return await _read(answer, etag, max_bytes)


@asynccontextmanager
async def open_answer(
    client: httpx.AsyncClient, method: str, url: str, **request: Any
) -> AsyncIterator[httpx.Response]:
    """The answer, of which everything is read within `DEADLINE` seconds; else `NotFetched`."""
    try:
        async with asyncio.timeout(DEADLINE), client.stream(method, url, **request) as answer:
            yield answer
    except TimeoutError:
        raise NotFetched(f"did not answer within {DEADLINE:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        raise NotFetched(f"cannot be reached: {error or type(error).__name__}") from None


async def _read(answer: httpx.Response, etag: str | None, max_bytes: int) -> Fetched:
    if answer.status_code == httpx.codes.NOT_MODIFIED and etag:
        return Fetched(None, etag, _max_age(answer))
    if answer.status_code != httpx.codes.OK:
        raise NotFetched(f"answered {answer.status_code}")
    if not _JSON.fullmatch(answer.headers.get("content-type", "application/json")):
        raise NotFetched(f"answered with the content type {answer.headers['content-type']!r}")
    body = await read_body(answer, max_bytes)
    return Fetched(body, answer.headers.get("etag"), _max_age(answer))


async def read_body(answer: httpx.Response, max_bytes: int) -> bytes:
    """The body as it was sent; `NotFetched` if it is longer, or compressed."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise NotFetched("answered in an encoding that was not asked for")
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > max_bytes:
            raise NotFetched(f"answered more than {max_bytes} bytes")
    return bytes(body)


def _max_age(answer: httpx.Response) -> float | None:
    """RFC 9111 §5.2.2.1, less the time in other caches (§5.1)."""
    cache_control = answer.headers.get("cache-control", "")
    if match := _MAX_AGE.search(cache_control):
        age = answer.headers.get("age", "0")
        return max(0.0, float(match[1]) - (float(age) if age.isdecimal() else 0))
    return 0.0 if re.search(r"no-(cache|store)", cache_control, re.IGNORECASE) else None
