"""Key sets that others publish, followed in the background. Imports PyJWT and httpx."""

import asyncio
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from issuer.agentos.key_set_client import KeySetClient
from issuer.clock import Clock
from issuer.errors import Unavailable
from issuer.federation.fetching import FetchBudget, Fetcher
from issuer.federation.key_source import KeySource, SourceFetch, fetcher_for
from issuer.federation.public_keys import PublicKeys, usable_keys
from issuer.telemetry.metrics import OF_TRUSTED, Metrics

FOLLOWED_FOR = 3_600.0  # seconds after the last use
_MAX_WAIT = 3.0
_MAX_WAITING = 100
_MAX_FOLLOWED = 1_000


@dataclass(frozen=True, slots=True)
class KeySetState:
    """A set as this process holds it: `keys`, since when, why the last fetch failed, if it did."""

    keys: PublicKeys
    fetched_at: datetime | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class FollowedKeySet:
    """One set at its source."""

    sets: "FollowedKeySets"
    source: KeySource

    @property
    def keys(self) -> PublicKeys:
        return self.sets.keys(self.source)

    @property
    def state(self) -> KeySetState | None:
        return self.sets.state(self.source)

    async def fetch_keys(self, kid: str | None) -> None:
        await self.sets.fetch_keys(self.source, kid)


@dataclass(slots=True)
class _Followed:
    client: KeySetClient[PublicKeys]
    used_at: float


@dataclass(eq=False, repr=False)
class FollowedKeySets:
    """Each is fetched when it is first needed, then polled while it is used. For any thread.

    Polled as `max-age` says, at most every `shortest` seconds; the last one serves for 24
    hours.
    """

    _fetcher: Fetcher
    _budget: FetchBudget
    _clock: Clock
    _shortest: float
    of: str = OF_TRUSTED
    _metrics: Metrics = field(default_factory=Metrics)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._followed: OrderedDict[KeySource, _Followed] = OrderedDict()
        self._waiting = 0

    def keys(self, source: KeySource) -> PublicKeys:
        """The keys of the set, from memory; none if it was not fetched yet, or not for long."""
        held = self._client(source).trusted_version
        return held.value if held else {}

    def state(self, source: KeySource) -> KeySetState | None:
        """The set as it is held; None if it is not followed. It is not used by this."""
        with self._lock:
            followed = self._followed.get(source)
        if followed is None:
            return None
        held, problem = followed.client.trusted_version, followed.client.problem
        if held is None:
            return KeySetState({}, None, problem)
        age = timedelta(seconds=self._clock.monotonic() - held.seen_at)
        return KeySetState(held.value, self._clock() - age, problem)

    def all(self) -> list[FollowedKeySet]:
        with self._lock:
            return [FollowedKeySet(self, source) for source in self._followed]

    async def fetch_keys(self, source: KeySource, kid: str | None) -> None:
        """Fetch the set that lacks a key, once in 5 s; wait 3 s. `Unavailable` if too many wait."""
        if self._waiting >= _MAX_WAITING:
            raise Unavailable("Too many requests wait for the key sets of others.")
        self._waiting += 1
        try:
            async with asyncio.timeout(_MAX_WAIT):
                await self._client(source).fetch_missing(lambda keys: kid is None or kid in keys)
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1

    def ages(self) -> list[float | None]:
        """Seconds since each set was confirmed as current; None for a set that is not held."""
        now = self._clock.monotonic()
        with self._lock:
            held = [each.client.trusted_version for each in self._followed.values()]
        return [None if each is None else now - each.seen_at for each in held]

    def stop_unused(self) -> None:
        """Follow no more what was not used for an hour."""
        before = self._clock.monotonic() - FOLLOWED_FOR
        with self._lock:
            unused = [source for source, each in self._followed.items() if each.used_at < before]
            for source in unused:
                self._followed.pop(source).client.stop()

    def stop(self) -> None:
        """Follow nothing any more."""
        with self._lock:
            for key_set in self._followed.values():
                key_set.client.stop()
            self._followed.clear()

    def _client(self, source: KeySource) -> KeySetClient[PublicKeys]:
        with self._lock:
            followed = self._followed.get(source)
            if followed is None:
                followed = self._followed[source] = _Followed(self._new_client(source), 0)
                followed.client.start()
                if len(self._followed) > _MAX_FOLLOWED:
                    self._followed.popitem(last=False)[1].client.stop()
            followed.used_at = self._clock.monotonic()
            self._followed.move_to_end(source)
            return followed.client

    def _new_client(self, source: KeySource) -> KeySetClient[PublicKeys]:
        fetcher = fetcher_for(source, self._fetcher)
        clock = self._clock.monotonic
        fetch = SourceFetch(source, fetcher, self._budget, self._shortest, clock)

        def read(body: bytes) -> PublicKeys:
            return usable_keys(body, fetch.algorithms)

        name = f"The key set {source}"
        return KeySetClient(name, fetch, read, fetched=self._count, clock=clock)

    def _count(self, problem: str | None) -> None:
        self._metrics.key_set_fetched(self.of, "succeeded" if problem is None else "failed")
