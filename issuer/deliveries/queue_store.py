"""The queue of messages to other servers, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select, update

from issuer.database.store import Statements, insert_new, rows_changed
from issuer.database.tables import DeliveryRecipientRow as RecipientRow
from issuer.database.tables import DeliveryRow as Row

MAX_OF_RECIPIENT = 10_000
MAX_OF_ALL = 100_000
LONGEST_PAUSE = timedelta(hours=1)
_GIVEN_UP_AT_ONCE = 100


class Recipient(NamedTuple):
    """Who gets messages of this kind: of `logout`, a client."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that was not delivered yet."""

    id: int
    message: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """A recipient to which this process alone delivers until `until`.

    `dropped` messages had no space in the queue, and are not audited yet.
    """

    recipient: Recipient
    until: datetime
    dropped: int


class DeliveryQueue(Statements):
    """The messages that wait, within one transaction.

    Changes of operators, which one after the other hold the lock of the audit chain, lock
    recipients as well. So a sender writes its audit events before it locks one: there is no
    deadlock.
    """

    def add(self, messages: Mapping[Recipient, Sequence[Mapping[str, Any]]], now: datetime) -> None:
        """Queue messages. Those that have no space are dropped and counted."""
        for recipient in sorted(messages):  # an order of locks: so there is no deadlock
            self._add(recipient, messages[recipient], now)

    def _add(
        self, recipient: Recipient, messages: Sequence[Mapping[str, Any]], now: datetime
    ) -> None:
        kind, id_ = recipient
        new = {"kind": kind, "recipient": id_, "waiting": 0, "failed": 0, "dropped": 0}
        # Locked until the commit, so that the numbers stay true.
        locked = select(RecipientRow.waiting).where(_is(recipient)).with_for_update()
        while (waiting := self.session.scalars(locked).one_or_none()) is None:
            insert_new(self.session, RecipientRow, new)  # another may `forget` it before the lock
        of_all = select(func.coalesce(func.sum(RecipientRow.waiting), 0))
        others = self.session.scalars(of_all.where(RecipientRow.due_at.is_not(None))).one()
        space = max(0, min(MAX_OF_RECIPIENT - waiting, MAX_OF_ALL - others))
        for message in messages[:space]:
            row = Row(kind=kind, recipient=id_, message=dict(message), created_at=now)
            self.session.add(row)
        self.session.flush()
        added = len(messages[:space])
        self._change(
            recipient,
            waiting=RecipientRow.waiting + added,
            dropped=RecipientRow.dropped + len(messages) - added,
            due_at=func.coalesce(RecipientRow.due_at, now, type_=RecipientRow.due_at.type),
        )

    def has_due(self, now: datetime) -> bool:
        return self.has(_is_due(now))

    def claim(
        self, kinds: Collection[str], now: datetime, lease: timedelta, limit: int
    ) -> list[Claimed]:
        """Recipients with something due, the longest due first, which no other process gets."""
        row, until = RecipientRow, now + lease
        query = select(row.kind, row.recipient, row.dropped).where(
            _is_due(now), row.kind.in_(kinds)
        )
        due = query.order_by(row.due_at).limit(limit).with_for_update(skip_locked=True)
        found = [
            Claimed(Recipient(kind, id_), until, dropped)
            for kind, id_, dropped in self.session.execute(due)
        ]
        for each in found:
            self._change(each.recipient, due_at=until)
        return found

    def next(self, recipient: Recipient) -> Delivery | None:
        """The oldest message for it."""
        return next(iter(self._oldest(recipient, 1)), None)

    def expired(self, recipient: Recipient, until: datetime) -> list[Delivery]:
        """Some messages that were queued by then, the oldest first."""
        return self._oldest(recipient, _GIVEN_UP_AT_ONCE, Row.created_at <= until)

    def delivered(self, recipient: Recipient, delivery: Delivery, now: datetime) -> None:
        self.delete(recipient, [delivery])
        self._change(recipient, failed=0, last_success_at=now)

    def refused(self, recipient: Recipient, delivery: Delivery, now: datetime, cause: str) -> None:
        """The recipient refuses this message for good."""
        self.delete(recipient, [delivery])
        self._change(recipient, failed=0, last_failure_at=now, last_failure=cause)

    def delete(self, recipient: Recipient, deliveries: Sequence[Delivery]) -> None:
        """Delete messages, if no other process has done so."""
        these = delete(Row).where(Row.id.in_([each.id for each in deliveries]))
        self._change(recipient, waiting=RecipientRow.waiting - rows_changed(self.session, these))

    def audited_dropped(self, claimed: Claimed) -> None:
        self._change(claimed.recipient, dropped=RecipientRow.dropped - claimed.dropped)

    def failed(self, claimed: Claimed, now: datetime, cause: str, pause: timedelta) -> None:
        """Try again after the pause."""
        row = RecipientRow
        noted = {"failed": row.failed + 1, "last_failure_at": now, "last_failure": cause}
        is_ours = and_(_is(claimed.recipient), RecipientRow.due_at == claimed.until)
        self.session.execute(update(row).where(is_ours).values(due_at=now + pause, **noted))

    def release(self, claimed: Claimed, now: datetime) -> None:
        """Let any process go on, if something waits."""
        is_ours = and_(_is(claimed.recipient), RecipientRow.due_at == claimed.until)
        due_at = case((RecipientRow.waiting > 0, now), else_=None)
        self.session.execute(update(RecipientRow).where(is_ours).values(due_at=due_at))

    def forget(self, recipient: Recipient) -> None:
        """Delete all its messages: it wants none any more."""
        # First what is locked while others queue messages, so that none is left without it.
        self.session.execute(delete(RecipientRow).where(_is(recipient)))
        self.session.execute(delete(Row).where(_is_for(recipient)))

    def retry(self, recipient: Recipient, now: datetime) -> None:
        """Deliver at once what waits for the next attempt."""
        row = RecipientRow
        paused = update(row).where(_is(recipient), row.waiting > 0, row.failed > 0)
        self.session.execute(paused.values(due_at=now))

    def find(self, recipient: Recipient) -> RecipientRow | None:
        """The state of the recipient; None if there was never a message for it."""
        return self.one(RecipientRow, _is(recipient))

    def counts(self, since: datetime) -> tuple[int, int]:
        """How many messages wait, and for how many recipients `failing` says so."""
        row = RecipientRow
        failing = func.count(case((_is_failing(since), 1)))
        counted = select(func.coalesce(func.sum(row.waiting), 0), failing)
        waiting, recipients = self.session.execute(counted).one()
        return int(waiting), recipients

    def failing(self, since: datetime, limit: int) -> Sequence[RecipientRow]:
        """Recipients at which the last attempt failed, since then or with messages that wait."""
        row = RecipientRow
        query = select(row).where(_is_failing(since))
        return self.session.scalars(query.order_by(row.kind, row.recipient).limit(limit)).all()

    def _oldest(
        self, recipient: Recipient, limit: int, *which: ColumnElement[bool]
    ) -> list[Delivery]:
        columns = select(Row.id, Row.message, Row.created_at).where(_is_for(recipient), *which)
        rows = self.session.execute(columns.order_by(Row.id).limit(limit))
        return [Delivery(*row) for row in rows]

    def _change(self, recipient: Recipient, **values: Any) -> None:
        self.session.execute(update(RecipientRow).where(_is(recipient)).values(**values))


def _is_due(now: datetime) -> ColumnElement[bool]:
    """Whether it is due, also where a longer pause was noted before the clock was set back."""
    return or_(RecipientRow.due_at <= now, RecipientRow.due_at > now + LONGEST_PAUSE)


def _is_failing(since: datetime) -> ColumnElement[bool]:
    row = RecipientRow
    is_last = or_(row.last_success_at.is_(None), row.last_failure_at > row.last_success_at)
    return and_(is_last, or_(row.last_failure_at >= since, and_(row.failed > 0, row.waiting > 0)))


def _is(recipient: Recipient) -> ColumnElement[bool]:
    row = RecipientRow
    return and_(row.kind == recipient.kind, row.recipient == recipient.id)


def _is_for(recipient: Recipient) -> ColumnElement[bool]:
    return and_(Row.kind == recipient.kind, Row.recipient == recipient.id)
