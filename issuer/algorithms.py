"""Which algorithm signs the tokens of an audience, and how one takes over from another.

The keys of a new algorithm are published first, and sign when every verifier has seen them; those
of the old one stay published until the last token they signed has expired.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

from issuer.errors import NotAllowed
from issuer.vocabulary import KEY_RETENTION, SigningAlgorithm


@dataclass(frozen=True, slots=True)
class AlgorithmInUse:
    """`current` signs, from `changes_at` on; before that `previous`, if there was one."""

    current: SigningAlgorithm
    previous: SigningAlgorithm | None = None
    changes_at: datetime | None = None

    def at(self, now: datetime) -> SigningAlgorithm:
        """The algorithm that signs at `now`."""
        if self.previous and self.changes_at and now < self.changes_at:
            return self.previous
        return self.current

    def published(self, now: datetime) -> dict[SigningAlgorithm, datetime | None]:
        """Algorithms whose keys a verifier may need at `now`, and until when; None is no end."""
        if self.previous and self.over_at and now < self.over_at:
            return {self.previous: self.over_at, self.current: None}
        return {self.current: None}

    def changed_to(self, alg: SigningAlgorithm, now: datetime, announce_for: timedelta) -> Self:
        """The change to `alg`, at once if its keys are published; `NotAllowed` during another."""
        if alg is self.current:
            return self
        if alg is self.at(now):
            return type(self)(alg)
        if alg in self.published(now):
            return type(self)(alg, self.current, now)
        if len(self.published(now)) > 1:
            raise NotAllowed(
                f"It is changing from {self.previous} to {self.current} until"
                f" {self.over_at:%Y-%m-%d %H:%M} UTC: wait, or go back to {self.previous}."
            )
        return type(self)(alg, self.current, now + announce_for)

    @property
    def over_at(self) -> datetime | None:
        """When no verifier needs the keys of `previous` any more."""
        return self.changes_at and self.changes_at + KEY_RETENTION
