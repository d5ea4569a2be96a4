"""Metadata documents of clients, fetched within limits and cached."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeAlias

import structlog

from issuer.clients.client import ClientFields
from issuer.clock import Clock
from issuer.errors import IssuerError
from issuer.federation import FetchBudget, FetchedDocument, Fetcher, FetchRefused

ReadDocument: TypeAlias = Callable[[str, bytes], ClientFields]

SHORTEST_CACHED, LONGEST_CACHED = timedelta(minutes=1), timedelta(hours=24)
_CACHED_BY_DEFAULT = timedelta(minutes=5)
_MAX_CACHED = 1_000

log = structlog.get_logger(__name__)


class InvalidDocument(IssuerError):
    """The URL names no client of this issuer, and why."""


@dataclass(frozen=True, slots=True)
class _Cached:
    """What was read at `read_at`; it is fetched again after `until`.

    `problem`: why there are no `fields`, or why they could not be fetched again.
    """

    fields: ClientFields | None
    problem: str
    until: datetime
    read_at: datetime


class DocumentCache:
    """Each document is fetched by one request at a time. Blocks: not for the event loop.

    A document that cannot be fetched again counts for as long as any may be cached: else whoever
    uses up the limits, or an outage of its host, would make a client unknown.
    """

    def __init__(self, fetcher: Fetcher, clock: Clock, read: ReadDocument) -> None:
        self._fetcher = fetcher
        self._clock = clock
        self._read = read
        self._changed = threading.Condition()
        self._cached: OrderedDict[str, _Cached] = OrderedDict()
        self._under_way: set[str] = set()
        self._budget = FetchBudget(clock)

    def fields(self, url: str, stored: ClientFields | None = None) -> ClientFields:
        """What the document says; `InvalidDocument` or `FetchRefused`.

        `stored` is what it said once, for a cache that has not read it.
        """
        now = self._clock()
        with self._changed:
            cached = self._cached.get(url)
        if cached is None and stored is not None:
            cached = self._keep(url, _Cached(stored, "", now, now))
        if cached is None or cached.until <= now:
            cached = self._current(url, cached, now)
        if cached.fields is None or now >= cached.read_at + LONGEST_CACHED:
            raise InvalidDocument(cached.problem)
        if cached.problem:
            log.info("client_document_kept", client=url, cause=cached.problem)
        return cached.fields

    def _current(self, url: str, known: _Cached | None, now: datetime) -> _Cached:
        """`FetchRefused` if it may not be fetched now, and nothing is known."""
        try:
            with self._budget.place():
                return self._fetched_once(url, known, now)
        except FetchRefused as error:
            if known is None:
                raise
            return replace(known, problem=str(error))

    def _fetched_once(self, url: str, known: _Cached | None, now: datetime) -> _Cached:
        """Of requests for the same document one fetches it; the others wait for that."""
        with self._changed:
            self._changed.wait_for(lambda: url not in self._under_way)
            cached = self._cached.get(url)
            if cached is not None and cached.until > now:
                return cached
            self._budget.count(url)
            self._under_way.add(url)
        try:
            return self._keep(url, self._fetch(url, known, now))
        finally:
            with self._changed:
                self._under_way.remove(url)
                self._changed.notify_all()

    def _fetch(self, url: str, known: _Cached | None, now: datetime) -> _Cached:
        try:
            document = self._fetcher.fetch(url)
            fields = self._read(url, document.body)
        except InvalidDocument as error:  # it says so itself: nothing earlier counts
            return _Cached(None, str(error), now + SHORTEST_CACHED, now)
        except FetchRefused as error:
            failed = known or _Cached(None, "", now, now)
            return replace(failed, problem=str(error), until=now + SHORTEST_CACHED)
        return _Cached(fields, "", now + _cached_for(document), now)

    def _keep(self, url: str, cached: _Cached) -> _Cached:
        with self._changed:
            self._cached[url] = cached
            self._cached.move_to_end(url)
            if len(self._cached) > _MAX_CACHED:
                self._cached.popitem(last=False)
        return cached


def _cached_for(document: FetchedDocument) -> timedelta:
    if document.max_age is None:
        return _CACHED_BY_DEFAULT
    asked = timedelta(seconds=document.max_age)
    return min(max(asked, SHORTEST_CACHED), LONGEST_CACHED)
