"""Who verifies: they hold a key set for as long as they were told they may."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class HeldSet:
    """The key set as a follower got it. One keeps it until `until`, and asks nobody before."""

    kids: frozenset[str]
    asked_at: datetime
    until: datetime
