"""Where the keys of another issuer are published, and how they are fetched from there."""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from issuer.agentos.errors import NotFetched
from issuer.agentos.fetching import Fetched, metadata_urls
from issuer.agentos.rules import known_name
from issuer.federation.fetching import FetchBudget, Fetcher, FetchRefused
from issuer.federation.public_keys import ALGORITHMS
from issuer.vocabulary import TokenAlgorithm

DEFAULT_ALGORITHMS = ("RS256",)  # OpenID Connect Core §3.1.3.7
_READ_AGAIN_AFTER = 3_600.0


@dataclass(frozen=True, slots=True)
class KeySource:
    """A key set at `jwks_uri`, else as metadata of `issuer` says. `ca_certificate` is PEM."""

    jwks_uri: str | None
    issuer: str = ""
    algorithms: tuple[str, ...] = ALGORITHMS
    ca_certificate: str | None = None
    allow_private_addresses: bool = False

    def __str__(self) -> str:
        return self.jwks_uri or f"of {self.issuer}"


def fetcher_for(source: KeySource, fetcher: Fetcher) -> Fetcher:
    """One like `fetcher`, with the CAs and the addresses that the source is allowed."""
    if not source.allow_private_addresses and source.ca_certificate is None:
        return fetcher
    certificates = None
    if source.ca_certificate is not None:
        certificates = ssl.create_default_context(cadata=source.ca_certificate)
    # That the administrator named: metadata cannot choose it.
    is_plain_http = (source.jwks_uri or source.issuer).startswith("http://")
    is_private = source.allow_private_addresses
    http = is_private and is_plain_http
    return fetcher.allowing(private_addresses=is_private, http=http, certificates=certificates)


@dataclass(eq=False, repr=False)
class SourceFetch:
    """Fetches the key set of one source, within the budget. Metadata is read again hourly.

    `algorithms` are those whose keys count: of a source with the default one, also those that its
    metadata names for ID tokens.
    """

    _source: KeySource
    _fetcher: Fetcher
    _budget: FetchBudget
    _shortest: float
    _clock: Callable[[], float]

    def __post_init__(self) -> None:
        self.algorithms = self._source.algorithms
        self._found: str | None = None
        self._read_again_at = self._clock()

    async def __call__(self, etag: str | None) -> Fetched:
        """The key set; `NotFetched` with the cause."""
        url = self._source.jwks_uri or await self._url_of_metadata()
        try:
            fetched = await self._fetch(url, etag)
        except NotFetched:
            self._read_again_at = self._clock()  # it may have moved
            raise
        if fetched.max_age is None:
            return fetched
        return replace(fetched, max_age=max(fetched.max_age, self._shortest))

    async def _fetch(self, url: str, etag: str | None) -> Fetched:
        try:
            self._budget.count(url)
            with self._budget.place():
                return await self._fetcher.fetch_if_changed(url, etag)
        except FetchRefused as error:
            raise NotFetched(f"was not fetched: {error}") from None

    async def _url_of_metadata(self) -> str:
        """OpenID Connect Discovery §4; then RFC 8414 §3."""
        if self._found is None or self._clock() >= self._read_again_at:
            of_oauth, of_openid = metadata_urls(self._source.issuer)
            try:
                self._found = await self._read_at(of_openid)
            except NotFetched:
                self._found = await self._read_at(of_oauth)
            self._read_again_at = self._clock() + _READ_AGAIN_AFTER
        return self._found

    async def _read_at(self, url: str) -> str:
        metadata = _object((await self._fetch(url, None)).body or b"")
        if metadata.get("issuer") != self._source.issuer:  # RFC 8414 §3.3
            raise NotFetched(f"is unknown: {url} is of another issuer")
        jwks_uri = metadata.get("jwks_uri")
        if not isinstance(jwks_uri, str):
            raise NotFetched(f"is unknown: {url} names none")
        if self._source.algorithms == DEFAULT_ALGORITHMS:
            named = metadata.get("id_token_signing_alg_values_supported")
            names = [known_name(each) for each in named] if isinstance(named, list) else []
            counts = [*DEFAULT_ALGORITHMS, *names]
            self.algorithms = tuple(each.value for each in TokenAlgorithm if each in counts)
        return jwks_uri


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotFetched("is unknown: the metadata is not JSON") from None
    if not isinstance(document, dict):
        raise NotFetched("is unknown: the metadata is not a JSON object")
    return document
