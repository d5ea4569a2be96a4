"""Reading the audit log."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from issuer.audit import store
from issuer.audit.chain_store import CHANGES
from issuer.database import Session
from issuer.database.store import as_model
from issuer.database.tables import AuditEventRow
from issuer.errors import NotFound

_EVENT_ID = re.compile(r"[0-9]{1,18}")  # both databases count in 64 bits


def is_event_id(text: str) -> bool:
    """Whether an event can have this id."""
    return _EVENT_ID.fullmatch(text) is not None


class EventFilter(BaseModel):
    """What events must match; None matches all. `since` is included, `until` is not.

    `target` is an id or a name. A user name also finds events of the id of that user.
    """

    model_config = ConfigDict(frozen=True)

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    address: str | None = None

    def matches(self, event: "AuditEvent", targets: Collection[str]) -> bool:
        """Whether the event matches; `targets` are the ids that `target` stands for."""
        return (
            self.actor in {None, event.actor}
            and self.action in {None, event.action}
            and self.address in {None, event.address}
            and (self.target is None or event.target in targets)
            and (self.since is None or event.at >= self.since)
            and (self.until is None or event.at < self.until)
        )


class AuditEvent(BaseModel):
    """An event of the audit log. `count` is more than 1 for equal refusals in one row.

    It is row `seq` of its `chain`; `hash`, in hexadecimal, covers it and the row before it.
    """

    id: int
    at: datetime
    actor: str | None
    action: str
    target: str | None
    outcome: str
    reason: str | None
    request_id: str | None
    address: str | None
    count: int
    details: dict[str, Any]
    chain: str
    seq: int
    hash: str


class AuditLog:
    """The audit events, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(
        self, wanted: EventFilter, before: str | None, limit: int, since_id: int = 0
    ) -> list[AuditEvent]:
        """At most `limit` events before the id `before`, newest first; none before `since_id`."""
        bound = int(before) if before and before.isdigit() else None
        members = wanted.model_dump(exclude_none=True)
        rows = store.matching(self._session, members, bound, limit, since_id)
        return [event_of(row) for row in rows]

    def about(self, target: str, limit: int, actions: Sequence[str] = ()) -> list[AuditEvent]:
        """The newest `limit` events of exactly this target, newest first.

        With `actions` those alone, among the newest thousands of the target.
        """
        return [event_of(row) for row in store.about(self._session, target, limit, actions)]

    def get(self, event_id: int) -> AuditEvent:
        row = store.with_id(self._session, event_id)
        if row is None:
            raise NotFound("audit event", str(event_id))
        return event_of(row)

    def around(self, event: AuditEvent, number: int) -> list[AuditEvent]:
        """The event with at most `number` before and after it in its chain, newest first."""
        first, last = event.seq - number, event.seq + number
        return [event_of(row) for row in store.of_chain(self._session, event.chain, first, last)]

    def changes(self, limit: int) -> list[AuditEvent]:
        """The newest events of changes, newest first."""
        return [event_of(row) for row in store.newest_of_chain(self._session, CHANGES, limit)]

    def targets(self, name: str) -> list[str]:
        """The ids that `target` of a filter stands for: itself, and the user of that name."""
        return store.targets(self._session, name)

    def ids(self) -> range:
        """From the id of the oldest event to that of the newest; some may be missing."""
        return range(store.first_id(self._session), store.last_id(self._session) + 1)


def event_of(row: AuditEventRow) -> AuditEvent:
    return as_model(AuditEvent, row, hash=row.hash.hex())
