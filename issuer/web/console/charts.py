"""Charts: the life of signing keys on a time axis, and the tokens issued and refused."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from issuer.audit.counts_store import TOKEN_ISSUED, TOKEN_REFUSED, TokenCount
from issuer.keys.described import DescribedKey
from issuer.keys.schedule import KeyState
from issuer.vocabulary import SigningAlgorithm

_BEYOND = 0.1  # of the axis, after the last date that is planned
_LEAST = 0.4  # percent, of a phase that was short
HEIGHT = 120  # pixels, of the highest bar
_GAP = 0.2  # of the width of a bar
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


# The state of a key, and in percent where the part of its bar with that state begins, and how long
# it is.
KeyPhase: TypeAlias = tuple[KeyState, float, float]


@dataclass(frozen=True, slots=True)
class KeyTimeline:
    """Each key with the parts of its bar. `today` is where the line for now is."""

    alg: SigningAlgorithm
    bars: tuple[tuple[DescribedKey, tuple[KeyPhase, ...]], ...]
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
                width = max(_LEAST, round(place(ends) - place(begins), 2))
                yield state, place(begins), width

    bars = tuple((key, tuple(phases(key))) for key in keys)
    return KeyTimeline(alg, bars, since, until, place(now))


def _phases(key: DescribedKey, until: datetime) -> Iterator[tuple[KeyState, datetime, datetime]]:
    over = min(date for date in (key.revoked_at, key.destroyed_at, key.destroys_at, until) if date)
    retires = key.retires_at or over
    yield KeyState.ANNOUNCED, key.announced_at, min(key.activates_at, over)
    yield KeyState.ACTIVE, key.activates_at, min(retires, over)
    yield KeyState.RETIRED, retires, over


@dataclass(frozen=True, slots=True)
class TokenBar:
    """The step from `since` to `until`: `x` and `width` in percent, heights in pixels."""

    since: datetime
    until: datetime
    issued: int
    refused: int
    x: float
    width: float
    issued_height: int
    refused_height: int


@dataclass(frozen=True, slots=True)
class TokenChart:
    """`name` says which time it covers; `most` is the number that the highest bar stands for."""

    name: str
    bars: tuple[TokenBar, ...]
    most: int


def token_chart(
    name: str, counts: Iterable[TokenCount], now: datetime, step: timedelta, steps: int
) -> TokenChart:
    """The last `steps`, of which the one that `now` is in has just begun; hours divide a step."""
    first = first_step(now, step, steps)
    numbers = [[0, 0] for _ in range(steps)]
    for each in counts:
        place = (each.hour - first) // step
        if 0 <= place < steps and each.action in (TOKEN_ISSUED, TOKEN_REFUSED):
            numbers[place][each.action == TOKEN_REFUSED] += each.count
    most = max(sum(pair) for pair in numbers)
    width = 100 / steps
    bars = tuple(
        TokenBar(
            first + place * step,
            first + (place + 1) * step,
            issued,
            refused,
            round(place * width, 2),
            round(width * (1 - _GAP), 2),
            _height(issued, most),
            _height(refused, most),
        )
        for place, (issued, refused) in enumerate(numbers)
    )
    return TokenChart(name, bars, most)


def first_step(now: datetime, step: timedelta, steps: int) -> datetime:
    """When the first of the last `steps` began."""
    return now - (now - _BEGINNING) % step - (steps - 1) * step


def _height(number: int, most: int) -> int:
    """At least a pixel for what is not nothing."""
    return max(int(number > 0), round(HEIGHT * number / most)) if most else 0
