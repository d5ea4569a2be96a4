"""Small texts that several pages use."""

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)
_STEPS = (
    (timedelta(days=365), "year"),
    (timedelta(days=30), "month"),
    (timedelta(days=1), "day"),
    (timedelta(hours=1), "hour"),
    (timedelta(minutes=1), "minute"),
)


def ago(instant: datetime, now: datetime) -> str:
    """ "just now", "5 minutes ago", "2 years ago", "in 3 days"."""
    for step, name in _STEPS:
        if (number := abs(now - instant) // step) >= 1:
            duration = f"{number} {name}{'s' if number > 1 else ''}"
            return f"{duration} ago" if instant < now else f"in {duration}"
    return "just now" if instant <= now else "in a moment"


def utc(instant: datetime) -> str:
    """ "2026-11-26 20:40 UTC"."""
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def browser_name(user_agent: str | None) -> str:
    """ "Firefox on Linux", as far as the header says it; it proves nothing."""
    text = user_agent or ""
    browser = next((name for mark, name in _BROWSERS if mark in text), "")
    system = next((name for mark, name in _SYSTEMS if mark in text), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or "Unknown browser"


def duration_in_words(duration: timedelta) -> str:
    """ "90 days", "1 hour"."""
    for step, name in _STEPS[2:]:
        if duration >= step and not duration % step:
            number = duration // step
            return f"{number} {name}{'s' if number > 1 else ''}"
    return f"{int(duration.total_seconds())} seconds"


def initial(name: str) -> str:
    """The first letter or digit of a name, for its tile."""
    found = re.search(r"\w", name)
    return found[0].upper() if found else "?"


def segment(key: str) -> str:
    """`key` as one segment of a path."""
    return quote(key, safe="")


def in_fours(secret: str) -> str:
    return " ".join(secret[i : i + 4] for i in range(0, len(secret), 4))
