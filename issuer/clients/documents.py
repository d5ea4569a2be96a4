"""Clients known by a metadata document at the URL that is their id.

See draft-ietf-oauth-client-id-metadata-document. A document gives no rights: people who sign in
through its client are asked each time something new is wanted.
"""

import threading
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from issuer.clients.client import ClientFields
from issuer.clients.client_metadata import parsed, read_client_metadata
from issuer.clock import Clock
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidField, IssuerError
from issuer.federation import FetchedDocument, Fetcher, FetchRefused
from issuer.vocabulary import AuthMethod, RegisteredBy

ALL_HOSTS = "*"
SHORTEST_CACHED, LONGEST_CACHED = timedelta(minutes=1), timedelta(hours=24)
_CACHED_BY_DEFAULT = timedelta(minutes=5)
_MAX_CACHED = 1_000
# Anybody can name a URL: neither this issuer nor the other host is to be kept busy.
_MAX_FETCHES_AT_ONCE = 4
_MAX_FETCHES_A_MINUTE = 60
_MAX_FETCHES_A_MINUTE_OF_A_HOST = 10

log = structlog.get_logger(__name__)


class InvalidDocument(IssuerError):
    """The URL names no client of this issuer, and why."""


@dataclass(frozen=True, slots=True)
class _Cached:
    fields: ClientFields | None
    problem: str
    until: datetime


def is_document_url(client_id: str) -> bool:
    """Whether the id of a client is the URL of its document."""
    return client_id.startswith("https://")


def read_document(url: str, body: bytes) -> ClientFields:
    """The client of the document; `InvalidDocument` says what is wrong with it."""
    host_of(url)
    try:
        return _read(url, parsed(body))
    except InvalidField as error:
        raise InvalidDocument(f"The client metadata document {url} is not valid: {error}") from None


def host_of(url: str) -> str:
    """The host, with a port unless it is 443; `InvalidDocument` if the URL names no document."""
    try:
        parts = urlsplit(url)
        host = parts.netloc if parts.port not in {None, 443} else parts.hostname or ""
    except ValueError:
        raise InvalidDocument(f"{url} is not a valid URL.") from None
    if parts.scheme != "https" or parts.netloc not in {host, f"{host}:443"}:
        raise InvalidDocument(f"{url} must be https, and name a host in lower case.")
    if not host or not parts.path or "#" in url or {".", ".."} & set(parts.path.split("/")):
        raise InvalidDocument(f"{url} must have a path without . and .., and no fragment.")
    return host


def _read(url: str, members: Mapping[str, Any]) -> ClientFields:
    if members.get("client_id") != url:
        raise InvalidField("client_id", "is not the URL of the document")
    for name in members:
        if name.startswith("client_secret"):
            raise InvalidField(name, "may not stand in a public document")
    fields = read_client_metadata(members, url, AuthMethod.NONE)
    if fields.token_endpoint_auth_method is not AuthMethod.NONE:
        raise InvalidField("token_endpoint_auth_method", "must be none")
    return fields


class DocumentHosts:
    """The hosts whose documents are accepted: `ISSUER_CLIENT_METADATA_HOSTS`."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(hosts)

    def require(self, url: str) -> None:
        """`InvalidDocument` unless the setting names the host, and the URL is a plain one."""
        host = host_of(url)
        everywhere = ALL_HOSTS in self._hosts and ":" not in host
        if host not in self._hosts and not everywhere:
            raise InvalidDocument(f"{host} is not one of ISSUER_CLIENT_METADATA_HOSTS.")

    def accept(self, client: ClientRecord) -> bool:
        """False for the client of a document of another host, unless it is pinned."""
        if client.registered_by is not RegisteredBy.METADATA or client.pinned:
            return True
        try:
            self.require(client.client_id)
        except InvalidDocument as error:
            log.info("client_refused", client=client.client_id, cause=str(error))
            return False
        return True


class ClientDocuments:
    """The clients of documents, fetched and cached. Blocks: not for the event loop."""

    def __init__(
        self, directory: Directory, fetcher: Fetcher, clock: Clock, hosts: DocumentHosts
    ) -> None:
        self._directory = directory
        self._fetcher = fetcher
        self._clock = clock
        self._hosts = hosts
        self._lock = threading.Lock()
        self._cached: OrderedDict[str, _Cached] = OrderedDict()
        self._fetching = threading.BoundedSemaphore(_MAX_FETCHES_AT_ONCE)
        self._minute = 0
        self._fetched: Counter[str] = Counter()

    def find(self, client_id: str) -> ClientRecord | None:
        """The client as it is now; None if there is none, and the log has the reason."""
        record = self._directory.load_client(client_id)
        if not is_document_url(client_id) or (record is not None and not record.is_fetched):
            return record
        try:
            fields = self.fields(client_id)
        except (InvalidDocument, FetchRefused) as error:
            log.info("client_document_refused", client=client_id, cause=str(error))
            return None
        known = record or self._directory.new_client(client_id)
        return replace(
            known,
            name=fields.name,
            redirect_uris=tuple(fields.redirect_uris),
            post_logout_redirect_uris=tuple(fields.post_logout_redirect_uris),
            grant_types=frozenset(fields.grant_types),
        )

    def fields(self, url: str) -> ClientFields:
        """What the document says; `InvalidDocument` or `FetchRefused`."""
        self._hosts.require(url)
        now = self._clock()
        with self._lock:
            cached = self._cached.get(url)
        if cached is None or cached.until <= now:
            cached = self._fetch(url, now)
        if cached.fields is None:
            raise InvalidDocument(cached.problem)
        return cached.fields

    def _fetch(self, url: str, now: datetime) -> _Cached:
        self._count(url, now)
        if not self._fetching.acquire(blocking=False):
            raise FetchRefused("Too many client metadata documents are being fetched.")
        try:
            document = self._fetcher.fetch(url)
            cached = _Cached(read_document(url, document.body), "", now + _cached_for(document))
        except (FetchRefused, InvalidDocument) as error:
            cached = _Cached(None, str(error), now + SHORTEST_CACHED)
        finally:
            self._fetching.release()
        with self._lock:
            self._cached[url] = cached
            self._cached.move_to_end(url)
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        return cached

    def _count(self, url: str, now: datetime) -> None:
        """`FetchRefused` beyond the number of fetches that a minute may have."""
        minute, host = int(now.timestamp() // 60), urlsplit(url).netloc
        with self._lock:
            if minute != self._minute:
                self._minute = minute
                self._fetched.clear()
            of_this_host = self._fetched[host] < _MAX_FETCHES_A_MINUTE_OF_A_HOST
            if not of_this_host or self._fetched.total() >= _MAX_FETCHES_A_MINUTE:
                raise FetchRefused(
                    "Too many client metadata documents are fetched. Try again later."
                )
            self._fetched[host] += 1


def _cached_for(document: FetchedDocument) -> timedelta:
    if document.max_age is None:
        return _CACHED_BY_DEFAULT
    asked = timedelta(seconds=document.max_age)
    return min(max(asked, SHORTEST_CACHED), LONGEST_CACHED)


def fields_of(client: ClientRecord) -> ClientFields:
    """The client of a document as it is stored once a person has allowed it something."""
    return ClientFields(
        client_id=client.client_id,
        name=client.name,
        grant_types=sorted(client.grant_types),
        token_endpoint_auth_method=client.token_endpoint_auth_method,
        redirect_uris=list(client.redirect_uris),
        post_logout_redirect_uris=list(client.post_logout_redirect_uris),
        user_rights=client.user_rights,
    )
