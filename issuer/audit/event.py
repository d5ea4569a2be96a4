"""An audit event. It never holds a secret, a password or a token; `jti` refers to the token."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from issuer.http.actor import Actor


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


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
