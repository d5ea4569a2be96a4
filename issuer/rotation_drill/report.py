"""The results of a drill."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from issuer.rotation_drill.check_results import CheckResult, KeyPair


@dataclass(frozen=True, slots=True)
class Report:
    """The checks `before` a rotation and, if there was one, `after` it.

    `refusal` is why a requested rotation was refused although every check passed.
    """

    keys: KeyPair
    before: Sequence[CheckResult]
    after: Sequence[CheckResult] = ()
    rotated: bool = False
    refusal: str | None = None

    @property
    def ok(self) -> bool:
        """Whether every check passed and a requested rotation was made."""
        return self.refusal is None and not self._failed

    @property
    def verdict(self) -> str:
        """A summary for people."""
        active = f"The {'new' if self.rotated else 'old'} key is active: {self._active}."
        if self._failed:
            total = len(self.before) + len(self.after)
            return f"{self._failed} of {total} checks failed. {active}"
        if self.refusal is not None:
            return f"All checks passed, but the rotation was refused. {active} {self.refusal}"
        return f"All checks passed. {active}"

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
    def _active(self) -> str:
        return self.keys.new.kid if self.rotated else self.keys.old.kid
