"""Polls an issuer's revocation feed, and decides what is accepted while it is unavailable."""

import logging
import math
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import parse_qs, urlsplit

from issuer import __version__
from issuer.agentos.errors import NotFetched, NotNamed, RevocationsUnavailable
from issuer.agentos.fetching import Fetched, Source
from issuer.agentos.files import DiskCache
from issuer.agentos.key_set import Keys, KeySet
from issuer.agentos.key_set_client import STALE_LIMIT, Held, KeySetClient
from issuer.agentos.revocations import (
    MAX_CLOCK_SKEW,
    RevokedEntries,
    kid_of,
    read_feed,
    read_revocations,
    require_current,
)
from issuer.agentos.rules import TokenRules

MAX_BYTES = 16 * 1024 * 1024
_MAX_INTERVAL = 5.0
_NO_FEED_INTERVAL = 300.0
_REWRITE_AFTER = 60.0
_NO_FEED = b""  # instead of a document: the issuer has no feed
REPORT_EVERY = 60.0
_HEADER = "AgentOS-Verifier"
_MAX_KIDS = 16
# Of these no character has to be escaped in a String of RFC 9651.
_AUDIENCE = re.compile(r"[A-Za-z0-9._~@+|:/-]{1,255}")
_KID = re.compile(r"[A-Za-z0-9._~-]{1,64}")

log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class FeedClient:
    """The revocations of the issuer whose key set `key_set` polls.

    Its URL is `url`, or the one in the issuer's metadata; without either there is no feed.
    `away_limit` is for how many seconds tokens are accepted while the feed is unavailable, None
    for no limit. With `is_optional`, unreadable metadata means that there is no feed, unless the
    metadata was read before.
    """

    rules: TokenRules
    key_set: KeySetClient[KeySet]
    algorithms: tuple[str, ...]
    url: str | None
    is_optional: bool
    away_limit: float | None
    cache: DiskCache
    allow_http: bool
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        self._written: tuple[RevokedEntries, float] | None = None
        self._failed_fetches = 0
        self._report = PollReport(self.rules.audience, self.clock)
        self._source = Source(
            self.rules.issuer,
            "revocations_uri",
            url=self.url,
            rewrite=self._for_an_algorithm_of_ours,
            headers=lambda: self._report.headers(self._keys, self._known_revocations.issued_at),
            max_bytes=MAX_BYTES,
            allow_http=self.allow_http,
            clock=self.clock,
        )
        self.client = KeySetClient(
            f"The revocation feed of {self.rules.issuer}",
            self._fetch,
            self._read,
            check=self._require_current,
            keep=self._keep,
            retry_interval=_MAX_INTERVAL,
            trusted_for=STALE_LIMIT if self.away_limit is None else self.away_limit,
            clock=self.clock,
        )

    def start(self) -> None:
        """Start polling in this process. Does not block."""
        if not self.client.is_running:
            self.client.start(None if self.client.held else self.cache.read(_cached))

    async def prepare(self) -> None:
        """Wait for the first answer; fetch again if tokens cannot be accepted without one."""
        first_try = self.client.held is None and self.client.problem is None
        if first_try or not self.is_known:
            await self.client.fetch_missing(lambda revocations: revocations.issued_at > 0)

    def current(self) -> RevokedEntries:
        """What is revoked. `RevocationsUnavailable` if the feed was unavailable for too long."""
        if not self.is_known:
            wait = math.ceil(self.client.next_at - self.clock())
            raise RevocationsUnavailable(self.rules.issuer, retry_after=max(1, wait))
        return self._known_revocations

    def status(self, moment: Callable[[float], str]) -> dict[str, Any]:
        """What is held and since when, for JSON; `moment` formats a monotonic time."""
        held = self.client.held
        feed = held.value if held and held.body != _NO_FEED else None
        ends = held.seen_at + self.away_limit if held and feed and self.away_limit else None
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
        if self.away_limit is None or self.client.trusted_version is not None:
            return True
        is_named = self._source.url is not None
        return not is_named and (self.is_optional if held is None else held.body == _NO_FEED)

    async def _fetch(self, etag: str | None) -> Fetched:
        if self.key_set.trusted_version is None and self.key_set.is_running:
            await self.key_set.fetch_now()
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

    async def _have_key_for(self, feed: bytes) -> None:
        """The feed may be signed with a key that is newer than the key set held."""
        kid = kid_of(feed)
        if kid is not None and kid not in self._keys and self.key_set.is_running:
            await self.key_set.fetch_missing(lambda key_set: key_set.has(kid))

    @property
    def _known_revocations(self) -> RevokedEntries:
        return self.client.held.value if self.client.held else RevokedEntries()

    @property
    def _keys(self) -> Keys:
        held = self.key_set.trusted_version
        return held.value.keys if held else {}

    def _read(self, body: bytes) -> RevokedEntries:
        if body == _NO_FEED:
            log.info("%s has no revocation feed", self.rules.issuer)
            return RevokedEntries()
        known = self._known_revocations
        feed = read_feed(body, self._keys, known, self.rules, self.wall_clock())
        return feed.after(known, self.rules.leeway + MAX_CLOCK_SKEW)

    def _require_current(self, revocations: RevokedEntries) -> None:
        if revocations.expires_at:
            require_current(revocations, self.rules, self.wall_clock())

    def _keep(self, held: Held[RevokedEntries]) -> None:
        """Write it to disk: at once if it has new entries, else once a minute."""
        if self.cache.path is None:
            return
        if self._written is not None:
            written, at = self._written
            is_written = written is held.value or held.value.is_covered_by(written)
            if is_written and held.seen_at - at < _REWRITE_AFTER:
                return
        self._written = held.value, held.seen_at
        body = _NO_FEED if held.body == _NO_FEED else held.value.as_json()
        self.cache.write(replace(held, body=body))

    def _for_an_algorithm_of_ours(self, url: str) -> str:
        """Add `?alg=`: the issuer may sign with several algorithms, and we may support only some.

        Takes one for which the key set has a key, and the next after a failure: the issuer may no
        longer sign with an algorithm whose last keys it still publishes.
        """
        parts = urlsplit(url)
        known = {key.alg for key in self._keys.values()}
        ours = [alg for alg in self.algorithms if alg in known]
        if not ours or "alg" in parse_qs(parts.query, keep_blank_values=True):
            return url
        asked = f"alg={ours[self._failed_fetches % len(ours)]}"
        return parts._replace(query=f"{parts.query}&{asked}" if parts.query else asked).geturl()


def as_utc(instant: float) -> str:
    """Seconds since 1970 in the format of RFC 3339."""
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds")


def _cached(content: bytes) -> RevokedEntries:
    return RevokedEntries() if content == _NO_FEED else read_revocations(content)[0]


class PollReport:
    """The headers of a poll: a report once a minute, and whenever the keys have changed.

    It has the audience, versions, ids of keys and the `iat` of the feed, and no more.
    """

    def __init__(self, audience: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._audience = audience
        self._clock = clock
        self._id: tuple[int, str] | None = None
        self._sent: tuple[str, float] | None = None
        self._received: tuple[str, float] | None = None

    def headers(self, kids: Iterable[str], feed_issued_at: int) -> Mapping[str, str]:
        """For the next poll; empty if nothing is due."""
        report, now = self._report(kids), self._clock()
        last, at = self._received or ("", now)
        if not report or (report == last and now - at < REPORT_EVERY):
            return {}
        self._sent = report, now
        feed = f", feed={feed_issued_at}" if feed_issued_at else ""
        # A cache on the way must not answer in place of the issuer (RFC 9111 §5.2.1.4).
        return {_HEADER: report + feed, "Cache-Control": "no-cache"}

    def note_received(self) -> None:
        """The poll was answered: the issuer has what was sent last."""
        self._received = self._sent

    def _report(self, kids: Iterable[str]) -> str:
        if not _AUDIENCE.fullmatch(self._audience):
            return ""  # no audience of an issuer that reads reports
        known = [kid for kid in kids if _KID.fullmatch(kid)]
        members = {"id": self._instance(), "aud": self._audience, **_versions()}
        texts = ", ".join(f'{name}="{text}"' for name, text in members.items())
        keys = " ".join(f'"{kid}"' for kid in known[:_MAX_KIDS])
        return f"{texts}, keys=({keys})"

    def _instance(self) -> str:
        """Random, and another one after a fork: processes are told apart, but not recognised."""
        if self._id is None or self._id[0] != os.getpid():
            self._id = os.getpid(), secrets.token_urlsafe(9)
        return self._id[1]


@cache
def _versions() -> Mapping[str, str]:
    try:
        return {"adapter": __version__, "agno": version("agno")}
    except PackageNotFoundError:
        return {"adapter": __version__}
