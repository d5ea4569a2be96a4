"""Audit events of changes, written in the transaction of the change."""

from issuer.audit import store
from issuer.audit.chain import CHANGES, ChainKey, End
from issuer.audit.chains import append
from issuer.audit.event import Event
from issuer.clock import Clock
from issuer.database import Session
from issuer.http.actor import Actor


class Trail:
    """The audit trail of one actor in one transaction."""

    def __init__(self, key: ChainKey, clock: Clock, session: Session, actor: Actor) -> None:
        self._key = key
        self._clock = clock
        self._session = session
        self._end: End | None = None
        self.actor = actor

    def note(self, action: str, target: str | None, **details: object) -> None:
        """Write an event that `action` was done to `target`; committed only with the change.

        One transaction at a time extends the chain of changes, until it ends.
        """
        event = Event(
            at=self._clock(), actor=self.actor, action=action, target=target, details=details
        )
        if self._end is None:
            store.hold_changes(self._session)
            self._end = store.end_of(self._session, CHANGES)
        connection = self._session.connection()
        self._end = append(self._key, connection, CHANGES, self._end, [event])


class Trails:
    """Begins the audit trails of an issuer."""

    def __init__(self, key: ChainKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def begin(self, session: Session, actor: Actor) -> Trail:
        """The trail of a transaction; there must be only one for each."""
        return Trail(self._key, self._clock, session, actor)
