"""A key as operators see it: its state, its dates, and what comes next, in words too."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from issuer.keys.schedule import (
    KeyState,
    SigningKey,
    destroys_at,
    next_key,
    retires_at,
    signs_after_revocation_from,
    state_at,
)
from issuer.vocabulary import SigningAlgorithm


class DescribedKey(BaseModel):
    """A signing key without its private key. A date that is not planned yet is null.

    `ready_at` is the earliest time at which it may sign; `summary` is a text for operators.
    """

    kid: str
    alg: SigningAlgorithm
    state: KeyState
    summary: str
    announced_at: datetime
    ready_at: datetime
    activates_at: datetime
    retires_at: datetime | None
    destroys_at: datetime | None
    revoked_at: datetime | None
    destroyed_at: datetime | None
    public_jwk: dict[str, Any]


class RevokedKey(DescribedKey):
    """A key that was revoked. Verifiers refuse its tokens within `refused_within` seconds.

    `left_valid` are sentences about tokens that could not be revoked; empty if all were.
    """

    refused_within: int
    left_valid: str


def describe(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> DescribedKey:
    """`key` with its state and dates at `now`, which depend on the other `keys`."""
    return DescribedKey(
        **asdict(key),
        state=state_at(keys, key, now),
        summary=_summary(keys, key, now),
        retires_at=retires_at(keys, key),
        destroys_at=destroys_at(keys, key),
    )


def all_described(keys: Collection[SigningKey], now: datetime) -> list[DescribedKey]:
    """All of them, newest first."""
    newest_first = sorted(
        keys, key=lambda key: (key.activates_at, key.is_usable, key.kid), reverse=True
    )
    return [describe(keys, key, now) for key in newest_first]


def _summary(keys: Collection[SigningKey], key: SigningKey, now: datetime) -> str:
    match state_at(keys, key, now):
        case KeyState.ANNOUNCED:
            return f"signs from {_day(key.activates_at)}"
        case KeyState.ACTIVE:
            if (successor := next_key(keys, key.alg, now)) is None:
                return "signs until a next key is created"
            until, announced = _day(successor.activates_at), _day(successor.announced_at)
            return f"signs until {until}, next key announced {announced}"
        case KeyState.RETIRED:
            return f"published until {_day(destroys_at(keys, key))}"
        case KeyState.DESTROYED if key.revoked_at:
            return f"revoked {_day(key.revoked_at)}"
        case KeyState.DESTROYED:
            return f"destroyed {_day(key.destroyed_at)}"


def _day(date: datetime | None) -> str:
    return f"{date.day} {date:%b %Y}" if date else "?"


def in_each_state(
    keys: Collection[SigningKey], now: datetime
) -> Counter[tuple[SigningAlgorithm, KeyState]]:
    """How many keys of each algorithm are in each state at `now`, zeros included."""
    counted = Counter({(key.alg, state): 0 for key in keys for state in KeyState})
    counted.update((key.alg, state_at(keys, key, now)) for key in keys)
    return counted


def come_into_each_state(keys: Collection[SigningKey], now: datetime) -> Counter[KeyState]:
    """How many keys have ever entered each state until `now`. No number goes down."""
    counted = Counter(dict.fromkeys(KeyState, 0))
    for alg in {key.alg for key in keys}:
        siblings = [key for key in keys if key.alg == alg]
        takeovers = sorted(key.activates_at for key in siblings if _has_signed(key, now))
        for key in siblings:
            counted[KeyState.ANNOUNCED] += 1
            counted[KeyState.ACTIVE] += _has_signed(key, now)
            counted[KeyState.RETIRED] += _has_retired(key, takeovers, now)
            counted[KeyState.DESTROYED] += not key.is_usable
    return counted


def _has_signed(key: SigningKey, now: datetime) -> bool:
    return key.activates_at <= (key.destroyed_at or now)


def _has_retired(key: SigningKey, takeovers: Sequence[datetime], now: datetime) -> bool:
    """Whether another key took over while this one was usable, and not because it was revoked.

    The dates of a rotation exactly `MAX_CLOCK_SKEW` before a revocation look the same.
    """
    following = bisect_right(takeovers, key.activates_at)
    if following == len(takeovers) or takeovers[following] > (key.destroyed_at or now):
        return False
    revoked_at = key.revoked_at
    return not revoked_at or takeovers[following] != signs_after_revocation_from(key, revoked_at)
