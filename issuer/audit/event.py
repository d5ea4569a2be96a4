"""What an audit event holds. Never a secret, a password or a token: `jti` is the link."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, in which request, from where."""

    id: str | None = None
    request_id: str | None = None
    address: str | None = None

    def known_as(self, actor_id: str | None) -> "Actor":
        """The same request from the same place, of whom it turned out to be."""
        return Actor(actor_id, self.request_id, self.address)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at `at`; `count` times, if refusals were put together."""

    at: datetime
    actor: Actor
    action: str
    target: str | None = None
    outcome: Outcome = Outcome.DONE
    reason: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    count: int = 1
