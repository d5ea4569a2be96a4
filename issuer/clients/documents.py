"""Clients known by a metadata document at the URL that is their id.

See draft-ietf-oauth-client-id-metadata-document. A document gives no rights: people who sign in
through its client are asked each time something new is wanted.
"""

import dataclasses
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import unquote, urlsplit

from issuer.background.workers import WorkerPool
from issuer.clients.client import SELF_DESCRIBED, ClientFields
from issuer.clients.client_metadata import parsed, read_client_metadata
from issuer.clients.store import ClientStore
from issuer.clock import Clock
from issuer.database import Database
from issuer.database.store import as_record
from issuer.directory import ClientRecord, Directory
from issuer.errors import InvalidField, IssuerError, Unavailable
from issuer.federation import FetchBudget, FetchedDocument, Fetcher, FetchRefused
from issuer.federation.fetching import FetchNeeded
from issuer.fields.urls import is_client_id
from issuer.telemetry.logs import get_logger
from issuer.vocabulary import AuthMethod, RegisteredBy

SHORTEST_CACHED, LONGEST_CACHED = timedelta(minutes=1), timedelta(hours=24)
MAX_AT_ONCE = 4
_CACHED_BY_DEFAULT = timedelta(minutes=5)
_MAX_CACHED = 1_000
ALL_HOSTS = "*"
# In threads that call `find`, which are not to be all of those that show pages.
MAX_FETCHES_AT_ONCE = 2 * MAX_AT_ONCE
_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*(:[0-9]+)?")
_MAX_WAITING = 32
_MAX_WAIT = 3.0  # seconds

log = get_logger(__name__)


class InvalidDocument(IssuerError):
    """The URL names no client of this issuer, and why."""


@dataclass(frozen=True, slots=True)
class CachedDocument:
    """What was read at `read_at`; it is fetched again after `until`, and was tried at `tried_at`.

    `problem`: why there are no `fields`, or why they could not be fetched again.
    """

    fields: ClientFields | None
    problem: str
    until: datetime
    read_at: datetime
    tried_at: datetime

    def is_due(self, now: datetime, *, missing: bool = False) -> bool:
        """Whether to fetch it; with `missing`, also before its time, but once a minute."""
        return now >= (self.tried_at + SHORTEST_CACHED if missing else self.until)

    def fields_at(self, now: datetime) -> ClientFields:
        """`InvalidDocument` if it says so, or was read too long ago."""
        if self.fields is None or now >= self.read_at + LONGEST_CACHED:
            raise InvalidDocument(self.problem or "It was read more than 24 hours ago.")
        return self.fields


@dataclass(eq=False, repr=False)
class DocumentCache:
    """Each document is fetched by one request at a time. Blocks: not for the event loop.

    A document that cannot be fetched again counts for as long as any may be cached: else whoever
    uses up the limits, or an outage of its host, would make a client unknown.
    """

    _fetcher: Fetcher
    _clock: Clock

    def __post_init__(self) -> None:
        self._changed = threading.Condition()
        self._cached: OrderedDict[str, CachedDocument] = OrderedDict()
        self._under_way: set[str] = set()
        self._budget = FetchBudget(self._clock, at_once=MAX_AT_ONCE)

    def cached(self, url: str) -> CachedDocument | None:
        """What is known of the document, without a fetch."""
        with self._changed:
            return self._cached.get(url)

    def current(
        self, url: str, known: CachedDocument | None = None, *, missing: bool = False
    ) -> CachedDocument:
        """The document, `known` elsewhere or fetched if due; `FetchRefused` if nothing is known."""
        known, now = self.cached(url) or known, self._clock()
        if known is not None and not known.is_due(now, missing=missing):
            return known
        try:
            with self._budget.place():
                return self._fetch_once(url, known, now, missing=missing)
        except FetchRefused as error:
            if known is None:
                raise
            return replace(known, problem=str(error))

    def _fetch_once(
        self, url: str, known: CachedDocument | None, now: datetime, *, missing: bool
    ) -> CachedDocument:
        """The document, fetched by one of the requests for it; the others wait for that."""
        with self._changed:
            self._changed.wait_for(lambda: url not in self._under_way)
            cached = self._cached.get(url)
            if cached is not None and not cached.is_due(now, missing=missing):
                return cached
            self._budget.count(url)
            self._under_way.add(url)
        try:
            return self._keep(url, self._fetch(url, known, now))
        finally:
            with self._changed:
                self._under_way.remove(url)
                self._changed.notify_all()

    def _fetch(self, url: str, known: CachedDocument | None, now: datetime) -> CachedDocument:
        soon = now + SHORTEST_CACHED
        try:
            document = self._fetcher.fetch(url)
            fields = read_document(url, document.body)
        except InvalidDocument as error:  # it says so itself: nothing earlier counts
            return CachedDocument(None, str(error), soon, now, now)
        except FetchRefused as error:
            failed = known or CachedDocument(None, "", now, now, now)
            return replace(failed, problem=str(error), until=soon, tried_at=now)
        return CachedDocument(fields, "", now + _lifetime(document), now, now)

    def _keep(self, url: str, cached: CachedDocument) -> CachedDocument:
        with self._changed:
            self._cached[url] = cached
            self._cached.move_to_end(url)
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        return cached


def _lifetime(document: FetchedDocument) -> timedelta:
    if document.max_age is None:
        return _CACHED_BY_DEFAULT
    asked = timedelta(seconds=document.max_age)
    return min(max(asked, SHORTEST_CACHED), LONGEST_CACHED)


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
    has_host = _HOST.fullmatch(host) and parts.netloc in {host, f"{host}:443"}
    if parts.scheme != "https" or not has_host:
        raise InvalidDocument(f"{url} must be https, and name a host in lower case.")
    segments = unquote(parts.path).split("/")
    if not is_client_id(url) or not parts.path or {".", ".."} & set(segments):
        raise InvalidDocument(f"{url} must have a path without . and .., and no fragment.")
    return host


def _read(url: str, members: Mapping[str, Any]) -> ClientFields:
    if members.get("client_id") != url:
        raise InvalidField("client_id", "is not the URL of the document")
    for name in members:
        if name.startswith("client_secret"):
            raise InvalidField(name, "may not stand in a public document")
    fields = read_client_metadata(members, url, AuthMethod.NONE)
    if fields.token_endpoint_auth_method.has_secret:
        raise InvalidField("token_endpoint_auth_method", "must be none or private_key_jwt")
    return fields


class DocumentHosts:
    """The hosts whose documents are accepted: `ISSUER_CLIENT_METADATA_HOSTS`."""

    def __init__(self, hosts: Iterable[str]) -> None:
        self._hosts = frozenset(hosts)

    def require(self, url: str) -> None:
        """`InvalidDocument` unless the setting names the host, and the URL is a plain one."""
        host = host_of(url)
        if host not in self._hosts and not (ALL_HOSTS in self._hosts and ":" not in host):
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


@dataclass(eq=False, repr=False)
class ClientDocuments:
    """The clients of documents, fetched and cached.

    Those that are stored have a cache, limits and threads of their own, which URLs that anybody may
    name cannot use up: their hosts can be slow to resolve. What the documents of stored clients
    said last is stored: a new process does not trust for another day one that is gone.
    """

    _directory: Directory
    _database: Database
    _new_fetcher: Callable[[], Fetcher]
    _clock: Clock
    _hosts: DocumentHosts

    def __post_init__(self) -> None:
        self._of_stored, self._of_unknown = (
            DocumentCache(self._new_fetcher(), self._clock) for _ in range(2)
        )
        self._readers = WorkerPool("documents", MAX_AT_ONCE, _MAX_WAITING, max_seconds=_MAX_WAIT)

    def find(self, client_id: str) -> ClientRecord | None:
        """The client as it is now; None if there is none, and the log has the reason.

        For pages, which people open: it may fetch. Blocks: not for the event loop.
        """
        record = self._directory.load_client(client_id)
        if not client_id.startswith("https://") or (record and not record.is_fetched):
            return record
        try:
            self._hosts.require(client_id)
            if record is None:
                document = self._of_unknown.current(client_id)
                return self._as_in(document, self._directory.new_client(client_id))
            return self._as_in(self._read(record), record)
        except (InvalidDocument, FetchRefused) as error:
            log.info("client_document_refused", client=client_id, cause=str(error))
            return None

    def known(
        self, client: ClientRecord | None, *, is_last: bool
    ) -> ClientRecord | FetchNeeded | None:
        """A stored client as its document was when it was last read; None if it is refused.

        For requests that anybody can send: nothing is fetched here, and nothing for a client
        that no person has allowed anything. `is_last`: its document was looked at just now.
        """
        if client is None or not client.is_fetched:
            return client
        document = self._cached_or_stored(client)
        if document.is_due(self._clock()) and not is_last:
            return FetchNeeded(partial(self.fetch_keys, client))
        try:
            return self._as_in(document, client)
        except InvalidDocument as error:
            log.info("client_document_refused", client=client.client_id, cause=str(error))
            return None

    async def fetch_keys(self, client: ClientRecord, *, missing: bool = False) -> None:
        """Fetch the document of a stored client if it is due; wait 3 s at most.

        `missing`: also before it is due, but at most once a minute, because it lacks a key.
        """
        with suppress(Unavailable):
            await self._readers.run(self._read, client, missing=missing)

    def stop(self) -> None:
        """Let the threads end."""
        self._readers.stop()

    def _read(self, client: ClientRecord, *, missing: bool = False) -> CachedDocument:
        """The document of a stored client, fetched if it is due, and then stored."""
        known = self._cached_or_stored(client)
        document = self._of_stored.current(client.client_id, known, missing=missing)
        if document.read_at > known.read_at:
            with self._database.transaction() as session:
                text = document.fields.model_dump_json() if document.fields else None
                ClientStore(session).note_document(client.client_id, text, document.read_at)
        return document

    def _cached_or_stored(self, client: ClientRecord) -> CachedDocument:
        """What memory has, or the database; at first what it said when a person allowed it."""
        if (cached := self._of_stored.cached(client.client_id)) is not None:
            return cached
        with self._database.reading() as session:
            stored = ClientStore(session).document(client.client_id)
        text, read_at, updated_at = stored or (None, self._clock(), self._clock())
        if read_at is None:
            return CachedDocument(fields_of(client), "", updated_at, updated_at, updated_at)
        if text is None:
            return CachedDocument(None, "It was not valid.", read_at, read_at, read_at)
        fields = ClientFields.model_validate_json(text)
        return CachedDocument(fields, "", read_at, read_at, read_at)

    def _as_in(self, document: CachedDocument, client: ClientRecord) -> ClientRecord:
        fields = document.fields_at(self._clock())
        if document.problem:
            log.info("client_document_kept", client=client.client_id, cause=document.problem)
        others = {each.name for each in dataclasses.fields(client)} - {*SELF_DESCRIBED}
        return as_record(ClientRecord, fields, **{each: getattr(client, each) for each in others})


def fields_of(client: ClientRecord) -> ClientFields:
    """The client of a document as it is stored once a person has allowed it something."""
    names = ("client_id", "user_rights", *SELF_DESCRIBED)
    said = {name: getattr(client, name) for name in names}
    said |= {"grant_types": sorted(client.grant_types)}
    return ClientFields.model_validate(said, strict=False)
