"""Finds an issuer's key set and revocation feed in its metadata (RFC 8414), read hourly."""

import json
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import httpx

from issuer.agentos.errors import InvalidConfiguration, NotFetched, NotNamed
from issuer.agentos.fetching import MAX_BYTES, Fetched, fetch, new_client, require_safe

_READ_AGAIN_AFTER = 3600.0
_TRIED_AGAIN_AFTER = 60.0


class Source:
    """Fetches the document that the issuer's metadata names as `member`, or the one at `url`.

    `rewrite` turns that URL into the one to fetch, with `headers`. The document has at most
    `max_bytes`.
    """

    def __init__(
        self,
        issuer: str,
        member: str,
        *,
        url: str | None = None,
        rewrite: Callable[[str], str] = str,
        headers: Callable[[], Mapping[str, str]] = dict,
        max_bytes: int = MAX_BYTES,
        allow_http: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._issuer = issuer
        self._member = member
        self._rewrite = rewrite
        self._headers = headers
        self._max_bytes = max_bytes
        self._allow_http = allow_http
        self._clock = clock
        self._is_given = url is not None
        self._read_again_at = clock()
        self._last_url: str | None = None
        self.url = url

    async def __call__(self, etag: str | None) -> Fetched:
        """The document; `NotFetched` also while the metadata cannot be read.

        `NotNamed` if the metadata names none. The URL found last stays in use meanwhile.
        """
        async with new_client() as client:
            await self._find(client)
            assert self.url is not None
            before, self._last_url = self._last_url, self._rewrite(self.url)
            try:  # an etag is valid for one URL only
                return await fetch(
                    client,
                    self._last_url,
                    etag if self._last_url == before else None,
                    max_bytes=self._max_bytes,
                    headers=self._headers(),
                )
            except NotFetched:
                self._read_again_at = self._clock()  # it may have moved
                raise

    async def _find(self, client: httpx.AsyncClient) -> None:
        if self._is_given or (self.url is not None and self._clock() < self._read_again_at):
            return
        try:
            self.url = await self._read_url(client)
            self._read_again_at = self._clock() + _READ_AGAIN_AFTER
        except NotFetched:
            if self.url is None:
                raise
            # By the clock as it is now: a fetch may take long to fail.
            self._read_again_at = self._clock() + _TRIED_AGAIN_AFTER

    async def _read_url(self, client: httpx.AsyncClient) -> str:
        problem: NotFetched | None = None
        for url in metadata_urls(self._issuer):
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
        if metadata.get("issuer") != self._issuer:
            raise NotFetched(f"is from another issuer, {str(metadata.get('issuer'))[:200]!r}")
        url = metadata.get(self._member)
        if not isinstance(url, str):
            kind = NotNamed if url is None else NotFetched
            raise kind(f'has no "{self._member}"')
        try:
            require_safe(url, allow_http=self._allow_http)
        except InvalidConfiguration as error:
            raise NotFetched(f'has an unsafe "{self._member}": {error}') from None
        return url


def metadata_urls(issuer: str) -> tuple[str, str]:
    """URLs of the metadata: RFC 8414 §3.1, and OpenID Connect Discovery for other issuers."""
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    standard = parts._replace(path=f"/.well-known/oauth-authorization-server{path}").geturl()
    return standard, f"{issuer.rstrip('/')}/.well-known/openid-configuration"
