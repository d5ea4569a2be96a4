"""Verifiers: they cache a key set for as long as they may."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class HeldSet:
    """The key set that a verifier caches until `until`, without fetching another before."""

    kids: frozenset[str]
    asked_at: datetime
    until: datetime
