"""The connection of a fetch: to an address that was checked, while TLS verifies the name."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import httpx

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched, authorities, fetch, open_answer, read_body

AddressOf: TypeAlias = Callable[[str, int], Awaitable[str]]

# kube-apiserver has its key set as application/jwk-set+json alone: without */* it answers 406.
_HEADERS = {"Accept": "application/json, */*;q=0.1", "Accept-Encoding": "identity"}
_HTTP, _HTTPS = 80, 443


class PinningTransport(httpx.AsyncBaseTransport):
    """Asks `address_of` once for each request. Proxies of the environment are not used."""

    def __init__(self, address_of: AddressOf, certificates: ssl.SSLContext) -> None:
        self._address_of = address_of
        self._inner = httpx.AsyncHTTPTransport(verify=certificates, trust_env=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        port = request.url.port or (_HTTP if request.url.scheme == "http" else _HTTPS)
        address = await self._address_of(host, port)
        request.extensions = {**request.extensions, "sni_hostname": host}
        request.url = request.url.copy_with(host=address)  # the Host header stays
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def fetch_pinned(
    url: str,
    address_of: AddressOf,
    certificates: ssl.SSLContext | None,
    max_bytes: int,
    etag: str | None = None,
) -> Fetched:
    """`fetch` of the verifier by such a connection; `NotFetched`."""
    async with _client(address_of, certificates) as client:
        return await fetch(client, url, etag, max_bytes=max_bytes)


async def request_pinned(
    method: str,
    url: str,
    address_of: AddressOf,
    certificates: ssl.SSLContext | None,
    max_bytes: int | None,
    headers: Mapping[str, str],
    content: str | None,
) -> tuple[int, bytes]:
    """Status and body of the answer to any request by such a connection; `NotFetched`.

    The body is not read if `max_bytes` is None.
    """
    async with (
        _client(address_of, certificates) as client,
        open_answer(client, method, url, headers=headers, content=content) as answer,
    ):
        body = b"" if max_bytes is None else await read_body(answer, max_bytes)
        return answer.status_code, body


def _client(address_of: AddressOf, certificates: ssl.SSLContext | None) -> httpx.AsyncClient:
    transport = PinningTransport(address_of, certificates or authorities())
    return httpx.AsyncClient(
        headers=_HEADERS, transport=transport, follow_redirects=False, trust_env=False
    )


__all__ = ["NotFetched", "fetch_pinned", "request_pinned"]
