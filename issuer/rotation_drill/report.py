"""What a drill has found."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from issuer.rotation_drill.seen import Pair, Seen


@dataclass(frozen=True, slots=True)
class Report:
    """What was seen `before`, and, if the new key was made to sign, `after` that.

    `hindrance` is why it was not, though somebody wanted it and all was well.
    """

    keys: Pair
    before: Sequence[Seen]
    after: Sequence[Seen] = ()
    rotated: bool = False
    hindrance: str | None = None

    @property
    def ok(self) -> bool:
        """Whether all was well, and what was wanted is done."""
        return self.hindrance is None and not self._failed

    @property
    def verdict(self) -> str:
        """One sentence."""
        signs = f"the {'new' if self.rotated else 'old'} key signs, {self._signing}"
        if self._failed:
            asked = len(self.before) + len(self.after)
            return f"{self._failed} of {asked} checks failed: {signs}."
        if self.hindrance is not None:
            return f"All is well, but {signs}: {self.hindrance}"
        if self.rotated:
            return f"All is well, and {signs}."
        return f"All is well: the new key is believed, and still {signs}."

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ok": self.ok,
            "verdict": self.verdict,
            "alg": self.keys.new.alg.value,
            "old_kid": self.keys.old.kid,
            "new_kid": self.keys.new.kid,
            "rotated": self.rotated,
            "before": [each.model_dump(mode="json") for each in self.before],
            "after": [each.model_dump(mode="json") for each in self.after],
        }

    @property
    def _failed(self) -> int:
        return sum(not each.ok for each in (*self.before, *self.after))

    @property
    def _signing(self) -> str:
        return self.keys.new.kid if self.rotated else self.keys.old.kid
