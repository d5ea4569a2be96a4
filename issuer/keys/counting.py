"""How many keys are in each state, and how many ever entered it: derived from their dates.

So every process reports the same numbers, and a restart loses nothing.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime

from issuer.keys.schedule import signs_after_revocation_from, state_at
from issuer.keys.signing_key import KeyState, SigningKey
from issuer.vocabulary import SigningAlgorithm


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
            counted.update(_states_until(now, key, takeovers))
    return counted


def _states_until(
    now: datetime, key: SigningKey, takeovers: Sequence[datetime]
) -> Iterator[KeyState]:
    yield KeyState.ANNOUNCED
    if _has_signed(key, now):
        yield KeyState.ACTIVE
    if _has_retired(key, takeovers, now):
        yield KeyState.RETIRED
    if not key.is_usable:
        yield KeyState.DESTROYED


def _has_signed(key: SigningKey, now: datetime) -> bool:
    return key.activates_at <= (key.destroyed_at or now)


def _has_retired(key: SigningKey, takeovers: Sequence[datetime], now: datetime) -> bool:
    """Whether another key took over while this one was usable, and not because it was revoked.

    The dates of a rotation exactly `CLOCKS_APART` before a revocation look the same.
    """
    following = bisect_right(takeovers, key.activates_at)
    if following == len(takeovers) or takeovers[following] > (key.destroyed_at or now):
        return False
    revoked_at = key.revoked_at
    return not revoked_at or takeovers[following] != signs_after_revocation_from(key, revoked_at)
