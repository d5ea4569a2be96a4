"""Fetching a document that somebody else names: the guards against SSRF.

Public addresses only; no redirects, proxies, cookies, decompression; bounds of time and bytes.
"""

import asyncio
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any, Self, TypeAlias
from urllib.parse import urlsplit

from issuer.clock import Clock
from issuer.errors import IssuerError
from issuer.fields.json import strict_json
from issuer.fields.urls import LOOPBACK

if TYPE_CHECKING:
    from issuer.agentos.fetching import Fetched

_SECONDS = 60
MAX_BYTES = 64 * 1024
_RESOLVERS = 32  # more than is fetched at a time: a look-up may hang for longer than a request
# Python's `is_global` depends on its version, and tunnels reach what is behind their end.
_NEVER = [
    ip_network(text)
    for text in (
        "192.0.0.0/24",
        "192.88.99.0/24",
        "2001::/23",
        "2002::/16",
        "64:ff9b:1::/48",
        "100:0:0:1::/64",
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
]
_NAT64 = IPv6Network("64:ff9b::/96")
Resolve: TypeAlias = Callable[[str, int], list[str]]
KeyFetch: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class FetchBudget:
    """Limits on fetching URLs that anybody can name. For any thread; beyond is `TooManyFetches`."""

    def __init__(
        self, clock: Clock, *, a_minute: int = 60, of_a_host: int = 10, at_once: int = 4
    ) -> None:
        self._clock = clock
        self._a_minute = a_minute
        self._of_a_host = of_a_host
        self._places = threading.BoundedSemaphore(at_once)
        self._lock = threading.Lock()
        self._minute = 0
        self._fetched: Counter[str] = Counter()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Around a fetch; `TooManyFetches` if there are too many at a time."""
        if not self._places.acquire(blocking=False):
            raise TooManyFetches("Too many documents are being fetched.")
        try:
            yield
        finally:
            self._places.release()

    def count(self, url: str) -> None:
        """Before a fetch of the URL; `TooManyFetches` if the minute has had too many."""
        host = urlsplit(url).netloc
        minute = int(self._clock().timestamp() // _SECONDS)
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._fetched.clear()
            few_of_host = self._fetched[host] < self._of_a_host
            if not few_of_host or self._fetched.total() >= self._a_minute:
                raise TooManyFetches("Too many documents are fetched. Try again later.")
            self._fetched[host] += 1


class FetchRefused(IssuerError):
    """The document was not fetched, and why."""


class TooManyFetches(FetchRefused):
    """The document was not asked for: the budget is spent."""


@dataclass(frozen=True, slots=True)
class FetchedDocument:
    """A body, and how many seconds it may be cached; None if the answer does not say."""

    body: bytes
    max_age: float | None


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An answer of any status, with the methods that Authlib calls."""

    status_code: int
    body: bytes = field(repr=False)

    def json(self) -> object:
        """The JSON in the body; `ValueError` for anything that can be read in two ways."""
        try:
            return strict_json(self.body)
        except RecursionError:
            raise ValueError("nested too deeply") from None

    def raise_for_status(self) -> None:
        """`FetchRefused` unless the status is 200."""
        if self.status_code != HTTPStatus.OK:
            raise FetchRefused(f"It answered {self.status_code}.")


def is_public(address: str) -> bool:
    """Whether the address is of a host on the internet, by the registries of IANA."""
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        ip = _ipv4_within(ip) or ip
    return (
        ip.is_global
        and not (ip.is_multicast or ip.is_reserved or ip.is_unspecified)
        and not any(ip in network for network in _NEVER if network.version == ip.version)
    )


def _ipv4_within(ip: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that is reached by this one, if any (RFC 4291 §2.5.5.2, RFC 6052 §2.1)."""
    return IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else ip.ipv4_mapped


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system resolves it."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(eq=False, repr=False)
class Fetcher:
    """Fetches JSON by `https`. Blocks for at most 5 s: not for the event loop."""

    _resolve: Resolve = resolve
    _may_connect: Callable[[str], bool] = is_public
    certificates: ssl.SSLContext | None = None
    allow_http_on_loopback: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        # Of their own, since a resolver may take longer than the deadline.
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")

    def allowing(
        self, *, private_addresses: bool, http: bool, certificates: ssl.SSLContext | None
    ) -> Self:
        """A fetcher with other rules, and with the threads of this one."""
        other = copy(self)
        other.certificates = certificates
        other.allow_http_on_loopback = http
        if private_addresses:
            other._may_connect = lambda _: True
        return other

    def fetch(self, url: str) -> FetchedDocument:
        """The JSON document at the `https` URL; `FetchRefused` says why it is refused."""
        fetched = asyncio.run(self.fetch_if_changed(url, None))
        assert fetched.body is not None  # no ETag was sent
        return FetchedDocument(fetched.body, fetched.max_age)

    async def fetch_if_changed(self, url: str, etag: str | None) -> "Fetched":
        """Fetch without blocking; without a body if the document still has this `etag`."""
        from issuer.federation import pinning  # noqa: PLC0415 - 7.3 MB

        self.require_allowed(url)
        address_of, certificates = self._address_of, self.certificates
        try:
            return await pinning.fetch_pinned(url, address_of, certificates, MAX_BYTES, etag)
        except pinning.NotFetched as error:
            raise FetchRefused(f"{url} {error}.") from None

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], content: str | None = None
    ) -> "HttpAnswer":
        """The answer to any request, whatever its status, under the same guards."""
        return HttpAnswer(*await self._ask(method, url, MAX_BYTES, headers, content))

    async def send(self, url: str, headers: Mapping[str, str], content: str) -> int:
        """The status of the answer to a POST; its body is not read."""
        status, _ = await self._ask("POST", url, None, headers, content)
        return status

    async def _ask(
        self,
        method: str,
        url: str,
        max_bytes: int | None,
        headers: Mapping[str, str],
        content: str | None,
    ) -> tuple[int, bytes]:
        from issuer.federation import pinning  # noqa: PLC0415 - 7.3 MB

        self.require_allowed(url)
        by = (self._address_of, self.certificates, max_bytes)
        try:
            return await pinning.request_pinned(method, url, *by, headers, content)
        except pinning.NotFetched as error:
            raise FetchRefused(f"{url} {error}.") from None

    def require_allowed(self, url: str) -> None:
        """`FetchRefused` unless it is `https`, or `http` on loopback where that is allowed."""
        if not (self.allow_http_on_loopback and _is_http_on_loopback(url)):
            require_https(url)

    async def _address_of(self, host: str, port: int) -> str:
        """The address to connect to; `OSError` if the host has one that is not public."""
        loop = asyncio.get_running_loop()
        addresses = await loop.run_in_executor(self._resolvers, self._resolve, host, port)
        # All of them: a name that also points inside is not one to trust.
        if not addresses or not all(self._may_connect(address) for address in addresses):
            raise OSError(f"{host} has no address, or one that is not public")
        return addresses[0]


def _is_http_on_loopback(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme == "http" and host in LOOPBACK and "@" not in parts.netloc


def require_https(url: str) -> None:
    """`FetchRefused` unless it is an `https` URL without user information and fragment."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise FetchRefused("The URL is not valid.") from None
    if parts.scheme != "https" or not host or "@" in parts.netloc or "#" in url:
        raise FetchRefused(f"{url} must be https, without user information and fragment.")


@dataclass(frozen=True, slots=True)
class FetchNeeded:
    """A key is not known here, or a document is old: await `fetch_keys`, and try again."""

    fetch_keys: KeyFetch
