"""How far a destination has acknowledged the audit events."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from issuer.audit.following import Bookmark


@dataclass(frozen=True, slots=True)
class Progress:
    """Events that `acknowledged` covers have arrived; those that `attempted` covers may have.

    `failures` counts failed attempts by their cause; `failed` are those since the last success.
    """

    acknowledged: Bookmark = field(default_factory=Bookmark)
    attempted: Bookmark = field(default_factory=Bookmark)
    failures: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    retry_at: datetime | None = None
    last_failure: str | None = None
    last_success_at: datetime | None = None

    def attempting(self, end: Bookmark) -> Self:
        """Before a batch is sent that ends there."""
        return replace(self, attempted=self.attempted | end)

    def succeeded(self, end: Bookmark, now: datetime) -> Self:
        """When everything until `end` was acknowledged."""
        return replace(
            self,
            acknowledged=end,
            attempted=self.attempted | end,
            failed=0,
            retry_at=None,
            last_success_at=now,
        )

    def moved(self, end: Bookmark) -> Self:
        """When there is nothing more to send until `end`."""
        return replace(self, acknowledged=end, attempted=self.attempted | end)

    def not_delivered(self, failure: str, why: str, retry_at: datetime) -> Self:
        """When an attempt has failed; the next is made at `retry_at`."""
        return replace(
            self,
            failures={**self.failures, failure: self.failures.get(failure, 0) + 1},
            failed=self.failed + 1,
            retry_at=retry_at,
            last_failure=why,
        )
