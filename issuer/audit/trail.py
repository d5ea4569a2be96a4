"""The record of a change, written in the transaction that makes it."""

from issuer.audit.chains import chains_of
from issuer.audit.event import Actor, Event
from issuer.clock import Clock
from issuer.database import Session


class Trail:
    """What one actor does in one transaction."""

    def __init__(self, session: Session, clock: Clock, actor: Actor) -> None:
        self._session = session
        self._clock = clock
        self.actor = actor

    def note(self, action: str, target: str | None, **details: object) -> None:
        """Record that `action` was done to `target`; kept only if the change is."""
        event = Event(
            at=self._clock(), actor=self.actor, action=action, target=target, details=details
        )
        chains_of(self._session).append_change(self._session, event)
