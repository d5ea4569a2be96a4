"""An audit event. It never holds a secret, a password or a token; `jti` refers to the token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Actor:
    """The caller, its request and its address.

    `is_local`: the command line on the issuer's own machine.
    """

    id: str | None = None
    request_id: str | None = None
    address: str | None = None
    is_local: bool = False

    def known_as(self, actor_id: str | None) -> "Actor":
        """The same request and address, with the caller's id."""
        return Actor(actor_id, self.request_id, self.address)


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at `at`. `count` is more than 1 for equal refusals in one event."""

    at: datetime
    actor: Actor
    action: str
    target: str | None = None
    outcome: Outcome = Outcome.DONE
    reason: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    count: int = 1
