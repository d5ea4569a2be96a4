"""The lifetime of tokens, as people type it."""

import re
from datetime import timedelta

from issuer.fields.times import in_seconds

_SECONDS = re.compile(r"[0-9]{1,9}")


def typed_lifetime(text: str) -> object:
    """As the models take it: seconds, a text such as 15m, or None if nothing was typed."""
    text = text.strip()
    return int(text) if _SECONDS.fullmatch(text) else text or None


def lifetime_as_typed(lifetime: timedelta | None) -> str:
    return f"{in_seconds(lifetime)}s" if lifetime else ""
