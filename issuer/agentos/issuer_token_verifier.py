"""One trusted issuer: polls its key set and verifies its tokens for one audience."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import jwt

from issuer.agentos.argument_checks import ScopesClaim, require_valid_limits
from issuer.agentos.errors import KeySetUnavailable
from issuer.agentos.fetching import Source, require_safe
from issuer.agentos.files import DiskCache
from issuer.agentos.key_set import KeySet, read_key_set
from issuer.agentos.key_set_client import STALE_LIMIT, KeySetClient
from issuer.agentos.revocation_feed import FeedClient, as_utc
from issuer.agentos.rules import TokenRules, Unverified, known_name, read_unverified, require_signed

_MAX_WAIT = 3.0
MAX_FEED_AGE = 900.0

log = logging.getLogger(__name__)


@dataclass(eq=False, repr=False)
class TrustedIssuer:
    """Verifies only with keys of the issuer's key set (RFC 8725 §3.8).

    `revocations`: True for the feed in the issuer's metadata, a URL for that feed, False for none.
    Tokens are accepted for `feed_away_limit` seconds while the feed is unavailable. With
    `scopes_claim`, `claims` has the scopes that it reads.
    """

    rules: TokenRules
    _: KW_ONLY
    jwks_url: str | None = None
    algorithms: Sequence[str] = ("RS256",)
    cache_file: str | Path | None = None
    revocations: bool | str = True
    feed_away_limit: float | None = MAX_FEED_AGE
    allow_http: bool = False
    scopes_claim: ScopesClaim | None = None
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time

    def __post_init__(self) -> None:
        require_valid_limits(self.algorithms, self.feed_away_limit)
        feed_url = self.revocations if isinstance(self.revocations, str) else None
        for url in (self.rules.issuer, self.jwks_url, feed_url):
            if url is not None:
                require_safe(url, allow_http=self.allow_http)
        self.algorithms = tuple(dict.fromkeys(map(known_name, self.algorithms)))
        issuer, clocks = self.rules.issuer, (self.clock, self.wall_clock)
        self._source = Source(
            issuer, "jwks_uri", self.jwks_url, allow_http=self.allow_http, clock=self.clock
        )
        self._cache = DiskCache(self.cache_file, issuer, *clocks)
        name, keep = f"The key set of {issuer}", self._cache.write
        self._key_set_client = KeySetClient(
            name, self._source, self._read, keep=keep, clock=self.clock
        )
        self.feed: FeedClient | None = None
        if self.revocations is not False:
            file = None if self.cache_file is None else f"{self.cache_file}.revocations"
            self.feed = FeedClient(
                self.rules,
                self._key_set_client,
                self.algorithms,
                url=feed_url,
                is_optional=self.jwks_url is not None and feed_url is None,
                away_limit=self.feed_away_limit,
                cache=DiskCache(file, issuer, *clocks, "The revocation feed"),
                allow_http=self.allow_http,
                clock=self.clock,
                wall_clock=self.wall_clock,
            )

    def start(self) -> None:
        """Start polling the key set and the feed in this process. Does not block."""
        if not self._key_set_client.is_running:
            self._key_set_client.start(self._cache.read(self._read))
        if self.feed:
            self.feed.start()

    def stop(self) -> None:
        """Stop polling. What is held stays, and ages."""
        if self.feed:
            self.feed.client.stop()
        self._key_set_client.stop()

    def knows(self, token: str) -> bool:
        """Whether `claims` can answer without a fetch and without verifying the signature."""
        if not self._is_running or (self.feed and not self.feed.is_known):
            return False
        held = self._key_set_client.trusted_version
        return held is not None and held.value.verified.has(token, self.wall_clock())

    async def prepare_for(self, unverified: Unverified) -> None:
        """Fetch the key set if it lacks the token's key and the rate limit of fetches allows.

        Waits 3 s at most. `KeySetUnavailable` if then no key set is trusted, or the feed has been
        unavailable for too long.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_MAX_WAIT):
                await self._fetch_for(unverified.kid)
        self._trusted_keys()
        if self.feed:
            self.feed.current()

    async def _fetch_for(self, kid: str | None) -> None:
        if not self._is_running:  # the first request, or the first after a fork
            self.start()
            await self._key_set_client.fetch_now()
        trusted = self._key_set_client.trusted_version
        if trusted is None or (kid is not None and not trusted.value.has(kid)):
            await self._key_set_client.fetch_missing(lambda key_set: key_set.has(kid))
        if self.feed:
            await self.feed.prepare()

    @property
    def _is_running(self) -> bool:
        is_feed_running = self.feed is None or self.feed.client.is_running
        return self._key_set_client.is_running and is_feed_running

    def recall(self, token: str) -> dict[str, Any] | None:
        """The claims of a token verified before, else None; `InvalidTokenError` if revoked."""
        held = self._key_set_client.trusted_version
        known = held.value.verified.find(token, self.wall_clock()) if held else None
        if known is None:
            return None
        self._refuse_revoked(*known)
        return known[1]

    def claims(self, token: str) -> dict[str, Any]:
        """The claims of a valid token, else `jwt.InvalidTokenError` with the cause. Never blocks.

        `KeySetUnavailable` while no key set is trusted, or if the feed has been unavailable for
        too long.
        """
        key_set = self._trusted_keys()
        known = self.recall(token)
        return self._verify(token, key_set, self.wall_clock()) if known is None else known

    def status(self) -> dict[str, Any]:
        """What is held and since when, for JSON; times are UTC."""
        held, trusted = self._key_set_client.held, self._key_set_client.trusted_version
        keys = held.value.keys.values() if held else ()
        return {
            "issuer": self.rules.issuer,
            "audience": self.rules.audience,
            "jwks_url": self._source.url,
            "keys": [{"kid": key.kid, "alg": key.alg} for key in keys],
            "trusted": trusted is not None,
            "seen_at": self._moment(held.seen_at) if held else None,
            "trusted_until": self._moment(held.seen_at + STALE_LIMIT) if held else None,
            "next_fetch_at": self._moment(self._key_set_client.next_at),
            "problem": self._key_set_client.problem,
            "revocations": self.feed.status(self._moment) if self.feed else None,
        }

    def _trusted_keys(self) -> KeySet:
        self.start()
        held = self._key_set_client.trusted_version
        if held is None:
            wait = math.ceil(self._key_set_client.next_at - self.clock())
            raise KeySetUnavailable(self.rules.issuer, retry_after=max(1, wait))
        return held.value

    def _read(self, body: bytes) -> KeySet:
        key_set = KeySet(read_key_set(body, self.algorithms))
        log.info("The key set of %s holds %s", self.rules.issuer, list(key_set.keys))
        return key_set

    def _verify(self, token: str, key_set: KeySet, now: float) -> dict[str, Any]:
        unverified = read_unverified(token)
        self.rules.check_header(unverified.header)
        kid = unverified.kid
        key = None if kid is None else key_set.keys.get(kid)
        if key is None:
            if kid is not None:
                self._key_set_client.request_missing(lambda held: held.has(kid))
            raise jwt.InvalidTokenError("The token's key is not in the issuer's key set.")
        require_signed(unverified, key.public, key.alg)
        claims = unverified.claims
        starts, ends = self.rules.check_claims(claims, now)
        self._refuse_revoked(key.kid, claims)
        if self.scopes_claim:
            claims = self.scopes_claim.apply_to(claims)
        key_set.verified.add(token, key.kid, claims, starts, ends)
        return claims

    def _refuse_revoked(self, kid: str, claims: Mapping[str, Any]) -> None:
        if self.feed:
            self.feed.current().refuse(kid, claims)

    def _moment(self, at: float) -> str:
        return as_utc(self.wall_clock() + at - self.clock())
