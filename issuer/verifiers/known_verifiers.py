"""The known verifiers, within one transaction: list them, and ask what they lack."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from pydantic import BaseModel

from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import NotAllowed
from issuer.keys import Keys, SigningKey
from issuer.verifiers.known_verifier import KEPT_FOR, KnownVerifier, NextKeys, next_keys_of
from issuer.verifiers.store import VerifierStore
from issuer.vocabulary import SigningAlgorithm

_NAMED = 3
REMEDY = "Set ISSUER_VERIFIER_NETWORKS to the networks of your AgentOS."


class VerifiersLackKey(NotAllowed):
    """A rotation is refused while live verifiers lack the next key, or may lack it."""


class DescribedVerifier(BaseModel):
    """A process of an AgentOS that reported in the last day. Everything in it is unverified.

    It is `live` if it reported in the last three minutes. It does not hold `missing_kid`, the next
    key of the algorithm of its audience.
    """

    audience: str
    address: str
    instance: str
    adapter_version: str
    agno_version: str | None
    kids: list[str]
    feed_issued_at: datetime | None
    first_seen_at: datetime
    seen_at: datetime
    live: bool
    missing_kid: str | None

    @property
    def name(self) -> str:
        """For people; processes at one address share it."""
        return f"{self.audience} at {self.address}"

    @property
    def key(self) -> str:
        """By which a list is ordered. None of the parts has a space."""
        return f"{self.audience} {self.address} {self.instance}"


class LeftOutVerifiers(BaseModel):
    """About so many live verifiers were left out at `last_at`, since too many reported.

    It `is_recent` in the next three minutes: they may lack the next key.
    """

    number: int
    last_at: datetime
    is_recent: bool

    def __str__(self) -> str:
        which = "verifier was" if self.number == 1 else "verifiers were"
        return f"About {self.number:,} {which} left out at {self.last_at:%Y-%m-%d %H:%M:%S} UTC"


class KnownVerifiers:
    """Verifiers and the keys that they say they hold: anybody can send such a report."""

    def __init__(
        self, session: Session, keys: Keys, clock: Clock, algorithms: Sequence[SigningAlgorithm]
    ) -> None:
        self._store = VerifierStore(session)
        self._keys = keys
        self._clock = clock
        self._algorithms = algorithms

    def page(self, after: str | None, limit: int) -> Sequence[DescribedVerifier]:
        """At most `limit` whose `key` follows `after`."""
        following = [each for each in self.all() if after is None or each.key > after]
        return following[:limit]

    def all(self) -> list[DescribedVerifier]:
        """Verifiers of the last day, in order of `key`."""
        now = self._clock()
        next_keys = next_keys_of(self._keys.all(), now)
        kept = (each for each in self._store.all() if each.is_kept(now))
        return sorted((_describe(each, next_keys, now) for each in kept), key=lambda it: it.key)

    def left_out(self) -> LeftOutVerifiers | None:
        """What was left out in the last day, by any process."""
        now, found = self._clock(), self._store.left_out()
        if found is None or abs(now - found.last_at) > KEPT_FOR:
            return None
        return LeftOutVerifiers(**asdict(found), is_recent=found.is_recent(now))

    def left_out_just_now(self) -> LeftOutVerifiers | None:
        """What was left out in the last three minutes."""
        found = self.left_out()
        return found if found and found.is_recent else None

    def lacking(self, key: SigningKey) -> list[DescribedVerifier]:
        """Live ones that verify tokens of the algorithm of `key`, the next one, without it."""
        return [each for each in self.all() if each.live and each.missing_kid == key.kid]

    def rotate_keys(self, alg: SigningAlgorithm | None, *, force: bool = False) -> None:
        """Rotate the keys of `alg`, by default of each algorithm: all of them or none."""
        if alg is not None and alg not in self._algorithms:
            raise NotAllowed(f"ISSUER_SIGNING_ALGORITHMS does not name {alg}.")
        for rotated in [alg] if alg else self._algorithms:
            self.rotate_key(rotated, force=force)

    def rotate_key(self, alg: SigningAlgorithm, *, force: bool = False) -> SigningKey:
        """The next key of `alg` signs from now on; `NotYet` if it was announced too recently.

        `VerifiersLackKey` while a live verifier lacks it or may lack it, unless `force`.
        """
        key = self._keys.rotatable(alg)
        if not force:
            self.require_next_key(key)
            return self._keys.rotate(alg)
        details = {"verifiers_lacking": len(self.lacking(key))}
        if left_out := self.left_out_just_now():
            details["verifiers_left_out"] = left_out.number
        return self._keys.rotate(alg, **details)

    def require_next_key(self, key: SigningKey) -> None:
        """`VerifiersLackKey`, with the first names, if some live ones lack `key`.

        The same if some were left out just now: nobody knows what they hold.
        """
        lacking, left_out = self.lacking(key), self.left_out_just_now()
        if left_out and not lacking:
            raise VerifiersLackKey(
                f"{left_out}, since more reported than are kept, and may lack the next {key.alg}"
                f" key {key.kid}. {REMEDY} Or wait for three minutes without one, or force the"
                " rotation."
            )
        if not lacking:
            return
        names = ", ".join(each.name for each in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        raise VerifiersLackKey(
            f"A live verifier lacks the next {key.alg} key {key.kid} and would refuse its tokens:"
            f" {names}{more}. Wait until it has fetched the key set, or force the rotation."
        )


def _describe(verifier: KnownVerifier, next_keys: NextKeys, now: datetime) -> DescribedVerifier:
    said = asdict(verifier.report)
    return DescribedVerifier(
        **said.pop("identity")._asdict(),
        **said,
        first_seen_at=verifier.first_seen_at,
        live=verifier.is_live(now),
        missing_kid=verifier.missing(next_keys, now),
    )
