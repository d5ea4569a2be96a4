"""The syntax of durations, lifetimes and instants, as pydantic types."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, PlainSerializer, WithJsonSchema

from issuer.vocabulary import MAX_TOKEN, SHORTEST_TOKEN

_DURATION = re.compile(r"(\d{1,9})([smhdw]?)", re.ASCII)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_MAX_DURATION = timedelta(days=3650)


def duration(text: str, *, default_unit: str = "") -> timedelta:
    """A duration such as 900s, 15m, 24h, 30d or 2w; `ValueError` if malformed."""
    match = _DURATION.fullmatch(text.strip())
    unit = match and _UNITS.get(match[2] or default_unit)
    if not match or not unit:
        raise ValueError("must be a number with a unit, such as 900s, 15m, 24h or 30d")
    if int(match[1]) > _MAX_DURATION // unit:
        raise ValueError(f"must be at most {_MAX_DURATION.days}d")
    return int(match[1]) * unit


def lifetime(value: object) -> object:
    if isinstance(value, str):
        return duration(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(  # noqa: TRY004 - pydantic's way
            'must be a whole number of seconds, or text with a unit, such as "15m"'
        )
    return timedelta(seconds=max(-1, min(value, 10**9)))


def within_bounds(lifetime: timedelta) -> timedelta:
    if not SHORTEST_TOKEN <= lifetime <= MAX_TOKEN:
        raise ValueError("must be 60 to 86400 seconds")
    return lifetime


def in_seconds(duration: timedelta) -> int:
    """Whole seconds, as in claims and JSON."""
    return int(duration.total_seconds())


def instant_from(text: str, now: datetime, *, after: bool = True) -> datetime:
    """2026-11-01, 2026-11-01T12:00:00Z, or a duration `after` or before `now`; or `ValueError`."""
    try:
        distance = duration(text)
    except ValueError:
        try:
            parsed = datetime.fromisoformat(text.strip())
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            example = "8h" if after else "1h"
            raise ValueError(
                f"must be like 2026-11-01, 2026-11-01T12:00:00Z or {example}"
            ) from None
    return now + (distance if after else -distance)


def utc(instant: datetime) -> str:
    """ "2026-11-26 20:40 UTC"."""
    # Not by `strftime`, which asks the system for its time zone each time.
    return f"{instant.astimezone(UTC).isoformat(' ', 'minutes')[:16]} UTC"


def in_json(instant: datetime | None) -> str | None:
    """An instant as the JSON of all resources has it."""
    return None if instant is None else instant.isoformat().replace("+00:00", "Z")


def has_ended(end: datetime | None, now: datetime) -> bool:
    """Whether what lasts until `end`, or without one for ever, gives nothing any more at `now`."""
    return end is not None and end <= now


def is_earlier(end: datetime | None, than: datetime | None) -> bool:
    """Whether one end is before another; None is no end."""
    return end is not None and (than is None or end < than)


def until(end: datetime | None) -> str:
    """The end of a sentence: `, until 2026-11-26 20:40 UTC`, or nothing if there is no end."""
    return "" if end is None else f", until {utc(end)}"


def _instant(value: object) -> object:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is not a date that can be kept") from None


Lifetime = Annotated[
    timedelta,
    BeforeValidator(lifetime),
    AfterValidator(within_bounds),
    PlainSerializer(in_seconds, return_type=int),
    WithJsonSchema({"type": "integer", "minimum": 60, "maximum": 86400}, mode="serialization"),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 60, "maximum": 86400},
                {"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$"},
            ],
            "description": 'Seconds, or text with a unit, such as "15m".',
        },
        mode="validation",
    ),
]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), AfterValidator(_in_utc)]
# Of a right: whole seconds, as the `exp` of tokens.
End = Annotated[Instant, AfterValidator(lambda end: end.replace(microsecond=0))]
