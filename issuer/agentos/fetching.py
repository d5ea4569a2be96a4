"""Bounded GETs, and finding a key set and a revocation feed in an issuer's metadata (RFC 8414)."""

import asyncio
import json
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import httpx

from issuer.agentos.errors import InvalidConfiguration, NotFetched, NotNamed

DEADLINE = 5.0
MAX_BYTES = 1024 * 1024
_LOOPBACK = re.compile(r"(localhost|127(\.\d+){3}|\[::1\])(:\d+)?")
_JSON = re.compile(r"application/([a-z0-9.-]+\+)?(json|jwt)\s*(;.*)?", re.IGNORECASE)
_MAX_AGE = re.compile(r"(?:^|[,\s])max-age=(\d{1,9})", re.IGNORECASE)
_READ_AGAIN_AFTER = 3600.0
_TRIED_AGAIN_AFTER = 60.0


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


@dataclass(eq=False)
class Source:
    """Fetches the document that the issuer's metadata names as `member`, or the one at `url`.

    `rewrite` turns that URL into the one to fetch, with `headers`. The document has at most
    `max_bytes`.
    """

    issuer: str
    member: str
    url: str | None = None
    rewrite: Callable[[str], str] = str
    headers: Callable[[], Mapping[str, str]] = dict
    max_bytes: int = MAX_BYTES
    allow_http: bool = False
    clock: Callable[[], float] = time.monotonic
    _last_url: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._is_given, self._read_again_at = self.url is not None, self.clock()

    async def __call__(self, etag: str | None) -> Fetched:
        """The document; `NotFetched` also while the metadata cannot be read.

        `NotNamed` if the metadata names none. The URL found last stays in use meanwhile.
        """
        async with new_client() as client:
            await self._find(client)
            assert self.url is not None
            before, self._last_url = self._last_url, self.rewrite(self.url)
            url, headers = self._last_url, self.headers()
            same = etag if url == before else None  # an etag is valid for one URL only
            try:
                return await fetch(client, url, same, max_bytes=self.max_bytes, headers=headers)
            except NotFetched:
                self._read_again_at = self.clock()  # it may have moved
                raise

    async def _find(self, client: httpx.AsyncClient) -> None:
        if self._is_given or (self.url is not None and self.clock() < self._read_again_at):
            return
        try:
            self.url = await self._read_url(client)
            self._read_again_at = self.clock() + _READ_AGAIN_AFTER
        except NotFetched:
            if self.url is None:
                raise
            # By the clock as it is now: a fetch may take long to fail.
            self._read_again_at = self.clock() + _TRIED_AGAIN_AFTER

    async def _read_url(self, client: httpx.AsyncClient) -> str:
        problem: NotFetched | None = None
        for url in metadata_urls(self.issuer):
            try:
                return self._member_of(await fetch(client, url))
            except NotFetched as error:
                kind = NotNamed if isinstance(error, NotNamed) else NotFetched
                if problem is None or not isinstance(problem, kind):
                    problem = kind(f"is unknown: {url} {error}")
        assert problem is not None
        raise problem

    def _member_of(self, fetched: Fetched) -> str:
        """RFC 8414 §3.3: metadata of another issuer must not be used."""
        try:
            metadata = json.loads(fetched.body or b"")
        except (ValueError, RecursionError):
            raise NotFetched("is not JSON") from None
        if not isinstance(metadata, dict):
            raise NotFetched("is not a JSON object")
        if metadata.get("issuer") != self.issuer:
            raise NotFetched(f"is from another issuer, {str(metadata.get('issuer'))[:200]!r}")
        url = metadata.get(self.member)
        if not isinstance(url, str):
            kind = NotNamed if url is None else NotFetched
            raise kind(f'has no "{self.member}"')
        try:
            require_safe(url, allow_http=self.allow_http)
        except InvalidConfiguration as error:
            raise NotFetched(f'has an unsafe "{self.member}": {error}') from None
        return url


def metadata_urls(issuer: str) -> tuple[str, str]:
    """URLs of the metadata: RFC 8414 §3.1, and OpenID Connect Discovery for other issuers."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    standard = parts._replace(path=f"/.well-known/oauth-authorization-server{path}").geturl()
    return standard, f"{issuer.rstrip('/')}/.well-known/openid-configuration"
