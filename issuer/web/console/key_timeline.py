"""The life of the keys of one algorithm on one time axis, in percent of its length."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from issuer.keys.described import DescribedKey
from issuer.keys.schedule import KeyState
from issuer.vocabulary import SigningAlgorithm

_BEYOND = 0.1  # of the axis, after the last date that is planned
_LEAST = 0.4  # percent, of a phase that was short


@dataclass(frozen=True, slots=True)
class KeyPhase:
    """The part of a bar in which the key has this state."""

    state: KeyState
    start: float
    width: float


@dataclass(frozen=True, slots=True)
class KeyBar:
    key: DescribedKey
    phases: tuple[KeyPhase, ...]


@dataclass(frozen=True, slots=True)
class KeyTimeline:
    """`today` is where the line for now is."""

    alg: SigningAlgorithm
    bars: tuple[KeyBar, ...]
    since: datetime
    until: datetime
    today: float


def timeline(alg: SigningAlgorithm, keys: Sequence[DescribedKey], now: datetime) -> KeyTimeline:
    """The bars of `keys`, of which there is at least one, in their order."""
    since = min(key.announced_at for key in keys)
    planned = [date for key in keys for date in (key.activates_at, key.retires_at, key.destroys_at)]
    last = max([now, *(date for date in planned if date)])
    until = last + max((last - since) * _BEYOND, last.resolution)

    def place(date: datetime) -> float:
        return round(100 * (date - since) / (until - since), 2)

    def phases(key: DescribedKey) -> Iterator[KeyPhase]:
        for state, begins, ends in _phases(key, until):
            if begins < ends:
                yield KeyPhase(
                    state, place(begins), max(_LEAST, round(place(ends) - place(begins), 2))
                )

    bars = tuple(KeyBar(key, tuple(phases(key))) for key in keys)
    return KeyTimeline(alg, bars, since, until, place(now))


def _phases(key: DescribedKey, until: datetime) -> Iterator[tuple[KeyState, datetime, datetime]]:
    over = min(date for date in (key.revoked_at, key.destroyed_at, key.destroys_at, until) if date)
    retires = key.retires_at or over
    yield KeyState.ANNOUNCED, key.announced_at, min(key.activates_at, over)
    yield KeyState.ACTIVE, key.activates_at, min(retires, over)
    yield KeyState.RETIRED, retires, over
