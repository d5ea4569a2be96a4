"""Audit events of changes, written in the transaction of the change."""

from issuer.audit.chains import chains_of
from issuer.audit.event import Actor, Event
from issuer.clock import Clock
from issuer.database import Session


class Trail:
    """The audit trail of one actor in one transaction."""

    def __init__(self, session: Session, clock: Clock, actor: Actor) -> None:
        self._session = session
        self._clock = clock
        self.actor = actor

    def note(self, action: str, target: str | None, **details: object) -> None:
        """Write an event that `action` was done to `target`; committed only with the change."""
        event = Event(
            at=self._clock(), actor=self.actor, action=action, target=target, details=details
        )
        chains_of(self._session).append_change(self._session, event)
