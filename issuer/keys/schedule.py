"""Who signs when: pure functions of the keys, the time and the policy (DESIGN §4)."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.keys.signing_key import KeyState, SigningKey
from issuer.vocabulary import LONGEST_TOKEN, SigningAlgorithm

# Verifiers' clocks may be behind ours; AgentOS allows ten seconds itself.
CLOCK_SKEW = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class KeyPolicy:
    """How long a key signs, and how long it is published before it may."""

    sign_for: timedelta
    announce_for: timedelta


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that must be made, and its dates."""

    alg: SigningAlgorithm
    announced_at: datetime
    activates_at: datetime


@dataclass(frozen=True, slots=True)
class Plan:
    """What has to be done so that the house is in order."""

    create: tuple[NewKey, ...] = ()
    destroy: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.create or self.destroy)


def active(keys: Iterable[SigningKey], alg: SigningAlgorithm, now: datetime) -> SigningKey | None:
    """The one key that signs `alg` at `now`: the youngest that may."""
    started = [key for key in _usable(keys, alg) if key.activates_at <= now]
    return max(started, key=_age, default=None)


def retires_at(keys: Iterable[SigningKey], key: SigningKey) -> datetime | None:
    """When the key's successor takes over; None while it has none."""
    younger = [each for each in _usable(keys, key.alg) if _age(each) > _age(key)]
    return min((each.activates_at for each in younger), default=None)


def destroys_at(keys: Iterable[SigningKey], key: SigningKey) -> datetime | None:
    """When the last token the key can have signed is dead to every verifier."""
    retirement = retires_at(keys, key)
    return retirement and retirement + LONGEST_TOKEN + CLOCK_SKEW


def state_at(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> KeyState:
    """The key's state at `now`, among its siblings."""
    if not key.is_usable:
        return KeyState.DESTROYED
    if key.activates_at > now:
        return KeyState.ANNOUNCED
    return KeyState.ACTIVE if key == active(keys, key.alg, now) else KeyState.RETIRED


def publishable(keys: Iterable[SigningKey], algorithms: Collection[str]) -> list[SigningKey]:
    """Keys a verifier may need, youngest first (RFC 7517 §5).

    Announced, active and retired keys of the `algorithms` some audience uses; some verifiers
    choke on a set of mixed types.
    """
    wanted = [key for key in keys if key.is_usable and key.alg in algorithms]
    return sorted(wanted, key=_age, reverse=True)


def plan_rotation(
    keys: Collection[SigningKey],
    now: datetime,
    policy: KeyPolicy,
    algorithms: Iterable[SigningAlgorithm],
) -> Plan:
    """What must be created and destroyed at `now`.

    There is always a key that signs and one in reserve that every verifier already holds. The
    first key of an algorithm signs at once; a reserve never before `announce_for` is over.
    """
    create: list[NewKey] = []
    for alg in algorithms:
        signing = active(keys, alg, now)
        reserves = [key for key in _usable(keys, alg) if key.activates_at > now]
        if signing is None:
            create.append(NewKey(alg, announced_at=now, activates_at=now))
        if not reserves:
            since = signing.activates_at if signing else now
            activates_at = max(since + policy.sign_for, now + policy.announce_for)
            create.append(NewKey(alg, announced_at=now, activates_at=activates_at))
    return Plan(tuple(create), tuple(key.kid for key in keys if _is_over(keys, key, now)))


def _is_over(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> bool:
    over_at = destroys_at(keys, key)
    return key.is_usable and over_at is not None and over_at <= now


def _usable(keys: Iterable[SigningKey], alg: SigningAlgorithm) -> list[SigningKey]:
    return [key for key in keys if key.alg == alg and key.is_usable]


def _age(key: SigningKey) -> tuple[datetime, str]:
    return key.activates_at, key.kid
