"""Tokens issued and refused in equal steps of time, as a chart of bars."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from issuer.audit import TokenCount
from issuer.audit.counting import TOKEN_ISSUED, TOKEN_REFUSED

HEIGHT = 120  # pixels, of the highest bar
_GAP = 0.2  # of the width of a bar
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TokenBar:
    """The step that begins at `since`: `x` and `width` in percent, heights in pixels."""

    since: datetime
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
    issued: int
    refused: int
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
            issued,
            refused,
            round(place * width, 2),
            round(width * (1 - _GAP), 2),
            _height(issued, most),
            _height(refused, most),
        )
        for place, (issued, refused) in enumerate(numbers)
    )
    return TokenChart(
        name, bars, sum(bar.issued for bar in bars), sum(bar.refused for bar in bars), most
    )


def first_step(now: datetime, step: timedelta, steps: int) -> datetime:
    """When the first of the last `steps` began."""
    return now - (now - _BEGINNING) % step - (steps - 1) * step


def _height(number: int, most: int) -> int:
    """At least a pixel for what is not nothing."""
    return max(int(number > 0), round(HEIGHT * number / most)) if most else 0
