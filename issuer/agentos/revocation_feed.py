"""Polls an issuer's revocation feed, and decides what is accepted while it is unavailable."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from issuer.agentos.errors import NotFetched, NotNamed, RevocationsUnavailable
from issuer.agentos.fetching import Fetched
from issuer.agentos.files import DiskCache
from issuer.agentos.key_set import Keys, KeySet
from issuer.agentos.key_set_client import STALE_LIMIT, Held, KeySetClient
from issuer.agentos.metadata import Source
from issuer.agentos.poll_report import PollReport
from issuer.agentos.revocations import RevokedEntries, read_revocations
from issuer.agentos.rules import TokenRules
from issuer.agentos.signed_feed import MAX_CLOCK_SKEW, kid_of, read_feed, require_current

MAX_BYTES = 16 * 1024 * 1024
_MAX_INTERVAL = 5.0
_NO_FEED_INTERVAL = 300.0
_REWRITE_AFTER = 60.0
_NO_FEED = b""  # instead of a document: the issuer has no feed

log = logging.getLogger(__name__)


class FeedClient:
    """The revocations of the issuer whose key set `key_set` polls.

    Its URL is `url`, or the one in the issuer's metadata; without either there is no feed.
    `away_limit` is for how many seconds tokens are accepted while the feed is unavailable, None
    for no limit. With `is_optional`, unreadable metadata means that there is no feed, unless the
    metadata was read before.
    """

    def __init__(
        self,
        rules: TokenRules,
        key_set: KeySetClient[KeySet],
        algorithms: tuple[str, ...],
        *,
        url: str | None,
        is_optional: bool,
        away_limit: float | None,
        cache: DiskCache,
        allow_http: bool,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._rules = rules
        self._key_set = key_set
        self._algorithms = algorithms
        self._is_optional = is_optional
        self._has_no_limit = away_limit is None
        self._cache = cache
        self._written: tuple[RevokedEntries, float] | None = None
        self._failed_fetches = 0
        self._clock = clock
        self._wall_clock = wall_clock
        self._report = PollReport(rules.audience, clock)
        self._source = Source(
            rules.issuer,
            "revocations_uri",
            url=url,
            rewrite=self._for_an_algorithm_of_ours,
            headers=lambda: self._report.headers(self._keys, self._known_revocations.issued_at),
            max_bytes=MAX_BYTES,
            allow_http=allow_http,
            clock=clock,
        )
        self.client = KeySetClient(
            f"The revocation feed of {rules.issuer}",
            self._fetch,
            self._read,
            check=self._require_current,
            keep=self._keep,
            retry_interval=_MAX_INTERVAL,
            trusted_for=STALE_LIMIT if away_limit is None else away_limit,
            clock=clock,
        )

    def start(self) -> None:
        """Start polling in this process. Does not block."""
        if not self.client.is_running:
            self.client.start(None if self.client.held else self._cache.read(_read_cached))

    async def prepare(self) -> None:
        """Wait for the first answer; fetch again if tokens cannot be accepted without one."""
        first_try = self.client.held is None and self.client.problem is None
        if first_try or not self.is_known:
            await self.client.fetch_missing(lambda revocations: revocations.issued_at > 0)

    def current(self) -> RevokedEntries:
        """What is revoked. `RevocationsUnavailable` if the feed was unavailable for too long."""
        if not self.is_known:
            wait = math.ceil(self.client.next_at - self._clock())
            raise RevocationsUnavailable(self._rules.issuer, retry_after=max(1, wait))
        return self._known_revocations

    def status(self, moment: Callable[[float], str]) -> dict[str, Any]:
        """What is held and since when, for JSON; `moment` formats a monotonic time."""
        held = self.client.held
        feed = held.value if held and held.body != _NO_FEED else None
        ends = (
            held.seen_at + self.client.trusted_for
            if held and feed and not self._has_no_limit
            else None
        )
        return {
            "url": self._source.url,
            "entries": feed.count if feed else None,
            "issued_at": as_utc(feed.issued_at) if feed else None,
            "trusted": self.is_known,
            "seen_at": moment(held.seen_at) if held else None,
            "trusted_until": None if ends is None else moment(ends),
            "next_fetch_at": moment(self.client.next_at),
            "problem": self.client.problem,
        }

    @property
    def is_known(self) -> bool:
        """Whether `current` can answer."""
        held = self.client.held
        if self._has_no_limit or self.client.trusted_version is not None:
            return True
        is_named = self._source.url is not None
        return not is_named and (self._is_optional if held is None else held.body == _NO_FEED)

    async def _fetch(self, etag: str | None) -> Fetched:
        if self._key_set.trusted_version is None and self._key_set.is_running:
            await self._key_set.fetch_now()
        held = self.client.held
        try:
            fetched = await self._source(etag)
        except NotNamed as error:
            if held is not None and held.body != _NO_FEED:
                raise NotFetched(f"was there before, and {error}") from None
            return Fetched(_NO_FEED, None, _NO_FEED_INTERVAL)
        except NotFetched:
            self._failed_fetches += 1
            raise
        self._report.note_received()
        if fetched.body is not None:
            await self._have_key_for(fetched.body)
        max_age = _MAX_INTERVAL if fetched.max_age is None else min(fetched.max_age, _MAX_INTERVAL)
        return replace(fetched, max_age=max_age)

    @property
    def _known_revocations(self) -> RevokedEntries:
        return self.client.held.value if self.client.held else RevokedEntries()

    async def _have_key_for(self, feed: bytes) -> None:
        """The feed may be signed with a key that is newer than the key set held."""
        kid = kid_of(feed)
        if kid is not None and kid not in self._keys and self._key_set.is_running:
            await self._key_set.fetch_missing(lambda key_set: key_set.has(kid))

    @property
    def _keys(self) -> Keys:
        held = self._key_set.trusted_version
        return held.value.keys if held else {}

    def _read(self, body: bytes) -> RevokedEntries:
        if body == _NO_FEED:
            log.info("%s has no revocation feed", self._rules.issuer)
            return RevokedEntries()
        known = self._known_revocations
        feed = read_feed(body, self._keys, known, self._rules, self._wall_clock())
        return feed.after(known, self._rules.leeway + MAX_CLOCK_SKEW)

    def _require_current(self, revocations: RevokedEntries) -> None:
        if revocations.expires_at:
            require_current(revocations, self._rules, self._wall_clock())

    def _keep(self, held: Held[RevokedEntries]) -> None:
        """Write it to disk: at once if it has new entries, else once a minute."""
        if self._cache.path is None:
            return
        if self._written is not None:
            written, at = self._written
            is_written = written is held.value or held.value.is_covered_by(written)
            if is_written and held.seen_at - at < _REWRITE_AFTER:
                return
        self._written = held.value, held.seen_at
        body = _NO_FEED if held.body == _NO_FEED else held.value.as_json()
        self._cache.write(replace(held, body=body))

    def _for_an_algorithm_of_ours(self, url: str) -> str:
        """Add `?alg=`: the issuer may sign with several algorithms, and we may support only some.

        Takes one for which the key set has a key, and the next after a failure: the issuer may no
        longer sign with an algorithm whose last keys it still publishes.
        """
        parts = urlsplit(url)
        known = {key.alg for key in self._keys.values()}
        ours = [alg for alg in self._algorithms if alg in known]
        if not ours or "alg" in parse_qs(parts.query, keep_blank_values=True):
            return url
        asked = f"alg={ours[self._failed_fetches % len(ours)]}"
        return parts._replace(query=f"{parts.query}&{asked}" if parts.query else asked).geturl()


def as_utc(instant: float) -> str:
    """Seconds since 1970 in the format of RFC 3339."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")


def _read_cached(content: bytes) -> RevokedEntries:
    return RevokedEntries() if content == _NO_FEED else read_revocations(content)[0]
