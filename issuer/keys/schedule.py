"""A signing key, and which key signs when: pure functions of the keys, the time and the policy.

Clocks of processes differ, by at most `MAX_CLOCK_SKEW`, or by a sixtieth of a signing period that
is too short for more than one machine. See docs/architecture.md.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from issuer.errors import NotYet
from issuer.vocabulary import KEY_RETENTION, MAX_CLOCK_SKEW, SEEN_WITHIN, SigningAlgorithm


class KeyState(StrEnum):
    """announced → active → retired → destroyed."""

    ANNOUNCED = "announced"
    ACTIVE = "active"
    RETIRED = "retired"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A signing key. `kid` is the RFC 7638 thumbprint; `public_jwk` the RFC 7517 member.

    A key is published from `announced_at`, signs from `activates_at` until a newer key of its
    algorithm does, and is published until it is destroyed or revoked. An operator may activate it
    earlier, but not before `ready_at`, when every verifier has seen it.
    """

    kid: str
    alg: SigningAlgorithm
    public_jwk: Mapping[str, Any] = field(repr=False)
    announced_at: datetime
    ready_at: datetime
    activates_at: datetime
    revoked_at: datetime | None = None
    destroyed_at: datetime | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it may still sign or verify anything."""
        return self.revoked_at is None and self.destroyed_at is None


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How long a key signs, and how long it is published before it may."""

    sign_for: timedelta
    announce_for: timedelta

    @property
    def clocks_apart(self) -> timedelta:
        """How far the clocks of two processes may be apart."""
        return min(MAX_CLOCK_SKEW, self.announce_for / 60)

    @property
    def seen_by_all_within(self) -> timedelta:
        """How long after a stored time every process has reached that time and seen the row."""
        return self.clocks_apart + SEEN_WITHIN

    @property
    def announced_for(self) -> timedelta:
        """How long after its announcement every verifier has seen a key."""
        return self.announce_for + self.seen_by_all_within


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that must be made, and its dates."""

    alg: SigningAlgorithm
    announced_at: datetime
    ready_at: datetime
    activates_at: datetime

    def as_key(self, kid: str, public_jwk: Mapping[str, Any]) -> SigningKey:
        """The key, once it is made."""
        dates = (self.announced_at, self.ready_at, self.activates_at)
        return SigningKey(kid, self.alg, public_jwk, *dates)


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """The keys to create and to destroy now."""

    create: tuple[NewKey, ...] = ()
    destroy: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.destroy)

    @property
    def algorithms(self) -> list[SigningAlgorithm]:
        """The algorithms of the keys to create, in their order."""
        return [new.alg for new in self.create]


def active(keys: Iterable[SigningKey], alg: SigningAlgorithm, now: datetime) -> SigningKey | None:
    """The key that signs `alg` at `now`: the newest whose `activates_at` has passed.

    The oldest key, if the clock is behind all of them.
    """
    usable = _usable(keys, alg)
    started = [key for key in usable if key.activates_at <= now]
    return max(started, key=_age) if started else min(usable, key=_age, default=None)


def next_key(keys: Iterable[SigningKey], alg: SigningAlgorithm, now: datetime) -> SigningKey | None:
    """The key that signs `alg` next, if one is announced."""
    keys = _usable(keys, alg)
    signing = active(keys, alg, now)
    younger = [key for key in keys if signing and _age(key) > _age(signing)]
    return min(younger, key=_age, default=None)


def retires_at(keys: Iterable[SigningKey], key: SigningKey) -> datetime | None:
    """When the key's successor takes over; None while it has none, or if it was revoked before."""
    younger = [each for each in _usable(keys, key.alg) if _age(each) > _age(key)]
    at = min((each.activates_at for each in younger), default=None)
    return None if at and key.revoked_at and at > key.revoked_at else at


def destroys_at(keys: Iterable[SigningKey], key: SigningKey) -> datetime | None:
    """When no verifier accepts a token of the key any more, because all have expired."""
    retirement = retires_at(keys, key)
    return retirement and retirement + KEY_RETENTION


def state_at(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> KeyState:
    """The key's state at `now`, which depends on the other `keys` of its algorithm."""
    if not key.is_usable:
        return KeyState.DESTROYED
    signing = active(keys, key.alg, now)
    if signing is None or key.kid == signing.kid:
        return KeyState.ACTIVE
    return KeyState.ANNOUNCED if _age(key) > _age(signing) else KeyState.RETIRED


def publishable(keys: Iterable[SigningKey], algorithms: Collection[str]) -> list[SigningKey]:
    """Keys a verifier may need, newest first (RFC 7517 §5).

    Announced, active and retired keys of the `algorithms` that audiences use: some verifiers
    fail on a set of mixed types.
    """
    wanted = [key for key in keys if key.is_usable and key.alg in algorithms]
    return sorted(wanted, key=_age, reverse=True)


def next_change(keys: Collection[SigningKey], now: datetime) -> datetime | None:
    """When the set of published `keys` is planned to change after `now`.

    When a next key takes over, another is announced; a retired key is destroyed in the end.
    """
    next_keys = [next_key(keys, alg, now) for alg in {key.alg for key in keys}]
    changes = [key.activates_at for key in next_keys if key]
    changes += [over for key in keys if key.is_usable and (over := destroys_at(keys, key))]
    return min((at for at in changes if at > now), default=None)


def plan_rotation(
    keys: Collection[SigningKey],
    now: datetime,
    policy: KeyPolicy,
    algorithms: Iterable[SigningAlgorithm],
    kept_until: datetime | None = None,
) -> RotationPlan:
    """What must be created and destroyed at `now`.

    There is always an active key and a next key. The first key of an algorithm signs at once; a
    next key not before it was announced for `announce_for`, nor before `kept_until`, while
    verifiers may cache a key set of earlier settings. This holds by the clock of any process.
    """
    create: list[NewKey] = []
    for alg in algorithms:
        signing = active(keys, alg, now)
        if signing is None:
            create.append(NewKey(alg, announced_at=now, ready_at=now, activates_at=now))
        if next_key(keys, alg, now) is None:
            since = signing.activates_at if signing else now
            known_at = max(max(since, now) + policy.announce_for, kept_until or now)
            ready_at = known_at + policy.seen_by_all_within
            create.append(NewKey(alg, now, ready_at, max(since + policy.sign_for, ready_at)))
    return RotationPlan(tuple(create), tuple(key.kid for key in keys if _is_over(keys, key, now)))


def rotated(keys: Collection[SigningKey], alg: SigningAlgorithm, now: datetime) -> SigningKey:
    """The next key of `alg`, active from `now` on; `NotYet` before its `ready_at`."""
    following = next_key(keys, alg, now)
    if following is None:
        raise NotYet(f"There is no next {alg} key yet. Try again in a second.", 1)
    if now < following.ready_at:
        seconds = (following.ready_at - now).total_seconds()
        raise NotYet(
            f"The next {alg} key may not sign before {following.ready_at:%Y-%m-%d %H:%M:%S} UTC:"
            " until then, a verifier may hold a key set without it.",
            int(seconds) + 1,
        )
    return replace(following, activates_at=now)


def revoked(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> list[SigningKey]:
    """`key`, not usable from `now` on; and the next key, if it has to take over."""
    ended = replace(key, revoked_at=now, destroyed_at=key.destroyed_at or now)
    following = next_key(keys, key.alg, now)
    if following is None or state_at(keys, key, now) is not KeyState.ACTIVE:
        return [ended]
    return [ended, replace(following, activates_at=signs_after_revocation_from(key, now))]


def signs_after_revocation_from(key: SigningKey, revoked_at: datetime) -> datetime:
    """When the next key becomes active that replaces the revoked, active `key`.

    Early enough for a process whose clock is behind, and not before `key` itself: a retired key
    must not look newer.
    """
    return max(key.activates_at, revoked_at - MAX_CLOCK_SKEW)


def _is_over(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> bool:
    over_at = destroys_at(keys, key)
    return key.is_usable and over_at is not None and over_at <= now


def _usable(keys: Iterable[SigningKey], alg: SigningAlgorithm) -> list[SigningKey]:
    return [key for key in keys if key.alg == alg and key.is_usable]


def _age(key: SigningKey) -> tuple[datetime, str]:
    return key.activates_at, key.kid
