"""Reading the audit log."""

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict
from sqlalchemy import Select, select, text
from sqlalchemy.orm import Session, aliased

from issuer.audit import store
from issuer.audit.chain_store import CHANGES, Outcome
from issuer.database.store import as_model, in_parts
from issuer.database.tables import AuditEventRow, GroupRow, PrincipalRow, UserRow
from issuer.errors import NotFound
from issuer.fields.ids import fold_id
from issuer.fields.usernames import fold_username
from issuer.vocabulary import INSPECTOR

_PAGE = 500
_INSPECTED = "audience.inspected"
_LOOKED_AT = 5_000
_PLAIN_NAME = re.compile(r"[\w.@+-]+")
_EVENT_ID = re.compile(r"[0-9]{1,18}")  # both databases count in 64 bits
# In the words of the index of these alone.
_REFUSED = text("outcome = 'refused'")
# A transaction that has taken an id holds this lock on the sequence until it ends.
_WRITERS = text(
    "SELECT CASE WHEN pg_is_in_recovery() THEN NULL ELSE array("
    " SELECT virtualtransaction FROM pg_locks"
    " WHERE relation = CAST(pg_get_serial_sequence('audit_events', 'id') AS regclass)"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND mode = 'RowExclusiveLock'"
    ") END"
)


def is_event_id(text: str) -> bool:
    """Whether an event can have this id."""
    return _EVENT_ID.fullmatch(text) is not None


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

    @property
    def actors(self) -> tuple[str, ...]:
        """The actors of an exchanged token: the first acts for its subject, the next through it."""
        return tuple(reversed(self.details.get("actors", ())))


class EventFilter(BaseModel):
    """What events must match; None matches all. `since` is included, `until` is not.

    `actor` and `target` are ids or names. A user name also finds events of the id of that user.
    """

    model_config = ConfigDict(frozen=True)

    actor: str | None = None
    action: str | None = None
    target: str | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    address: str | None = None
    outcome: Outcome | None = None

    def matches(self, event: AuditEvent, actors: Collection[str], targets: Collection[str]) -> bool:
        """Whether the event matches; of the ids that `actor` and `target` stand for."""
        return all(
            (
                self.actor is None or event.actor in actors,
                self.action in {None, event.action},
                self.address in {None, event.address},
                self.outcome in {None, event.outcome},
                self.target is None or event.target in targets,
                self.since is None or event.at >= self.since,
                self.until is None or event.at < self.until,
            )
        )


class AuditLog:
    """The audit events, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def page(
        self, wanted: EventFilter, before: str | None, limit: int, since_id: int = 0
    ) -> list[AuditEvent]:
        """At most `limit` events before the id `before`, newest first; none before `since_id`."""
        row = AuditEventRow
        equal = wanted.model_dump(include={"action", "address"}, exclude_none=True)
        query = select(row).filter_by(**equal).order_by(row.id.desc()).limit(limit)
        if since_id:
            query = query.where(row.id >= since_id)
        if before and before.isdigit():
            query = query.where(row.id < int(before))
        if wanted.outcome is Outcome.REFUSED:
            query = query.where(_REFUSED)
        elif wanted.outcome is not None:
            query = query.where(row.outcome == wanted.outcome)
        if wanted.actor is not None:
            query = query.where(row.actor.in_(self.ids_of(wanted.actor)))
        if wanted.target is not None:
            query = query.where(row.target.in_(self.ids_of(wanted.target)))
        if wanted.since is not None:
            query = query.where(row.at >= wanted.since)
        if wanted.until is not None:
            query = query.where(row.at < wanted.until)
        return self._events(query)

    def about(self, target: str, limit: int, actions: Sequence[str] = ()) -> list[AuditEvent]:
        """The newest `limit` events of exactly this target, newest first.

        With `actions` those alone, among the newest thousands of the target.
        """
        query = select(AuditEventRow).where(AuditEventRow.target == target)
        query = query.order_by(AuditEventRow.id.desc())
        if actions:  # which have no index
            event = aliased(AuditEventRow, query.limit(_LOOKED_AT).subquery())
            query = select(event).where(event.action.in_(actions)).order_by(event.id.desc())
        return self._events(query.limit(limit))

    def failed_sign_in_at(self, issuer_id: str) -> AuditEvent | None:
        """The newest sign-in that failed at a trusted issuer, among thousands of refusals."""
        newest = select(AuditEventRow).where(_REFUSED).order_by(AuditEventRow.id.desc())
        event = aliased(AuditEventRow, newest.limit(_LOOKED_AT).subquery())
        there = event.details["trusted_issuer"].as_string() == issuer_id
        query = select(event).where(event.action == "sign_in.failed", there)
        return next(iter(self._events(query.order_by(event.id.desc()).limit(1))), None)

    def get(self, event_id: int) -> AuditEvent:
        row = self._session.get(AuditEventRow, event_id)
        if row is None:
            raise NotFound("audit event", str(event_id))
        return _event_of(row)

    def around(self, event: AuditEvent, number: int) -> list[AuditEvent]:
        """The event with at most `number` before and after it in its chain, newest first."""
        near = AuditEventRow.seq.between(event.seq - number, event.seq + number)
        return self._events(_newest_of(event.chain).where(near))

    def changes(self, limit: int) -> list[AuditEvent]:
        """The newest events of changes, newest first; without those of inspections.

        Each AgentOS is inspected every day, and its tokens are events as well.
        """
        row = AuditEventRow
        by_people = row.target.is_distinct_from(INSPECTOR) & (row.action != _INSPECTED)
        return self._events(_newest_of(CHANGES).where(by_people).limit(limit))

    def targets_of_changes(self, action: str) -> list[str]:
        """What this was done to, each once, among the newest `_LOOKED_AT` changes."""
        event = aliased(AuditEventRow, _newest_of(CHANGES).limit(_LOOKED_AT).subquery())
        query = select(event.target).where(event.action == action, event.target.is_not(None))
        return list(dict.fromkeys(self._session.scalars(query)))

    def after(self, event_id: int) -> list[AuditEvent]:
        """The next events after this id, at most a page, oldest first."""
        query = select(AuditEventRow).where(AuditEventRow.id > event_id)
        return self._events(query.order_by(AuditEventRow.id).limit(_PAGE))

    def ids_of(self, name: str) -> list[str]:
        """The ids that a name in a filter stands for: itself, and the user of that name."""
        of_that_name = UserRow.folded_username == fold_username(name)
        return [name, *self._session.scalars(select(UserRow.id).where(of_that_name))]

    def names(self, ids: Collection[str], kinds: Collection[str]) -> dict[str, str]:
        """The names of the users and groups with these ids, if their kind is among `kinds`.

        A name stands alone only if it can be taken for nothing else; otherwise its id follows.
        """
        found: dict[str, str] = {}
        for part in in_parts(ids):
            if "user" in kinds:
                users = select(UserRow.id, UserRow.username).where(UserRow.id.in_(part))
                found |= dict(self._session.execute(users).all())
            if "group" in kinds:
                groups = select(GroupRow.id, GroupRow.name).where(GroupRow.id.in_(part))
                named = self._session.execute(groups)
                found |= {key: f"{name} ({key})" for key, name in named if key != name}
        folded = {*map(fold_id, found.values())}
        known = select(PrincipalRow.folded_id)
        parts = (known.where(PrincipalRow.folded_id.in_(part)) for part in in_parts(folded))
        taken = {each for part in parts for each in self._session.scalars(part)}
        return {key: _display_name(key, name, taken) for key, name in found.items()}

    def ids(self) -> range:
        """From the id of the oldest event to that of the newest; some may be missing."""
        return range(store.first_id(self._session), store.last_id(self._session) + 1)

    def id_at(self, at: datetime) -> int:
        """The id of the newest event before this time; 0 if there is none."""
        query = select(AuditEventRow.id).where(AuditEventRow.at < at)
        query = query.order_by(AuditEventRow.at.desc()).limit(1)
        return self._session.scalars(query).first() or 0

    def last_id_and_writers(self) -> tuple[int, frozenset[str] | None]:
        """The id of the newest event, and then which open transactions have taken ids.

        None instead of these for a standby, which does not know them. On SQLite there are none:
        only one transaction writes at a time, and it takes its ids then.
        """
        last = store.last_id(self._session)
        if self._session.get_bind().dialect.name == "sqlite":
            return last, frozenset()
        writers = self._session.scalars(_WRITERS).one()
        return last, None if writers is None else frozenset(writers)

    def _events(self, query: Select[AuditEventRow]) -> list[AuditEvent]:
        return [_event_of(row) for row in self._session.scalars(query)]


def _display_name(key: str, name: str, taken: Collection[str]) -> str:
    """`taken` are ids of principals, folded: a user could have the id of another as name."""
    is_its_own = fold_id(name) == fold_id(key) or fold_id(name) not in taken
    is_plain = _PLAIN_NAME.fullmatch(name) is not None
    return name if (is_plain and is_its_own) or name.endswith(f" ({key})") else f"{name} ({key})"


def _newest_of(chain: str) -> Select[AuditEventRow]:
    query = select(AuditEventRow).where(AuditEventRow.chain == chain)
    return query.order_by(AuditEventRow.seq.desc())


def _event_of(row: AuditEventRow) -> AuditEvent:
    return as_model(AuditEvent, row, hash=row.hash.hex())
