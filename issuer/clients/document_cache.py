"""Metadata documents of clients, fetched within limits and cached."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

from issuer.clients.client import ClientFields
from issuer.clock import Clock
from issuer.errors import IssuerError
from issuer.federation import FetchBudget, FetchedDocument, Fetcher, FetchRefused
from issuer.telemetry.logs import get_logger

ReadDocument: TypeAlias = Callable[[str, bytes], ClientFields]

SHORTEST_CACHED, LONGEST_CACHED = timedelta(minutes=1), timedelta(hours=24)
MAX_AT_ONCE = 4
_CACHED_BY_DEFAULT = timedelta(minutes=5)
_MAX_CACHED = 1_000

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
    _read: ReadDocument

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
            fields = self._read(url, document.body)
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
