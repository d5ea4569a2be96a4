"""Attempts to sign in, and what counts them in SQL: users and addresses by keyed hashes.

Rows are locked in one order (user, address, known address); cleaning up waits for no lock.
"""

import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_, update

from issuer.database.store import Statements, in_parts, insert_into
from issuer.database.tables import CountedTries, KnownAddressRow, SignInTriesRow, UserRow
from issuer.fields.networks import network_of
from issuer.fields.usernames import fold_username
from issuer.users.attempts import NEVER, Counted, Counts, Tries

MAX_KNOWN_ADDRESSES = 20  # of a user
MAX_DELETED = 5_000  # at a time
_MARK_BYTES = 16
# Unknown names share 65,536 counts, which bounds the number of rows.
_UNKNOWN_MARK_BYTES = 2


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt in progress. Its password may be tried only if it `is_admitted`."""

    user_id: str | None
    user_mark: bytes
    address_mark: bytes
    is_from_known_address: bool
    counts_address: bool
    is_admitted: bool = False
    waits: bool = False  # for the outcome of attempts in progress
    locks: tuple[Counted, ...] = ()  # the counts that are locked unless this attempt succeeds
    made_at: datetime = NEVER
    before: Counts = field(default_factory=dict)


class AttemptStore(Statements):
    """Within one transaction. Rows read by `hold…` stay locked until the transaction ends."""

    def hold_known(self, user_id: str, address: bytes, since: datetime) -> Tries | None:
        """The count of the user at that address; None without a successful sign-in since then."""
        row = KnownAddressRow
        query = _tries(row).where(*_at(user_id, address), row.succeeded_at > since)
        found = self.session.execute(query).one_or_none()
        return Tries(*found) if found else None

    def hold(self, attempt: Attempt) -> Counts:
        """The counts the attempt was added to, even if its address has become known since."""
        if attempt.is_from_known_address:
            known = self.hold_known(attempt.user_id or "", attempt.address_mark, NEVER)
            return {Counted.USER_AT_KNOWN_ADDRESS: known} if known else {}
        counts = {Counted.USER: self._hold(attempt.user_mark)}
        if attempt.counts_address:
            counts[Counted.ADDRESS] = self._hold(attempt.address_mark)
        return counts

    def keep(self, attempt: Attempt, counts: Counts) -> None:
        for what, tries in counts.items():
            if what is Counted.USER_AT_KNOWN_ADDRESS:
                self._update_known(attempt, **asdict(tries))
            else:
                mark = attempt.user_mark if what is Counted.USER else attempt.address_mark
                kept = update(SignInTriesRow).where(SignInTriesRow.mark == mark)
                self.session.execute(kept.values(**asdict(tries)))

    def note_success(self, attempt: Attempt, now: datetime, since: datetime) -> bool:
        """Make the address known for the user; whether it is new, and the user had others.

        Beyond the maximum of a user, the least recently used one is dropped.
        """
        if attempt.is_from_known_address:
            self._update_known(attempt, succeeded_at=now)
            return False
        user_id, row = attempt.user_id or "", KnownAddressRow
        user = select(UserRow.id).where(UserRow.id == user_id)
        user = user.with_for_update(read=True, key_share=True)
        if self.session.scalars(user).one_or_none() is None:
            return False
        is_news = self.has(row.user_id == user_id, row.succeeded_at > since)
        of_user = {"user_id": user_id, "address_mark": attempt.address_mark, "succeeded_at": now}
        made = insert_into(self.session, row).values(**of_user, **asdict(Tries()))
        update_to = {"index_elements": ["user_id", "address_mark"], "set_": {"succeeded_at": now}}
        self.session.execute(made.on_conflict_do_update(**update_to))
        marks = select(row.address_mark).where(row.user_id == user_id)
        newest = marks.order_by(row.succeeded_at.desc(), row.address_mark)
        surplus = newest.offset(MAX_KNOWN_ADDRESSES)
        for mark in self.session.scalars(surplus).all():
            self.session.execute(delete(row).where(*_at(user_id, mark)))
        return is_news

    def of_users(self, marks: Mapping[str, bytes]) -> dict[str, list[Tries]]:
        """All counts of each of these users, not locked; `marks` by the id of the user."""
        found: dict[str, list[Tries]] = {user_id: [] for user_id in marks}
        ids = {mark: user_id for user_id, mark in marks.items()}
        query = select(SignInTriesRow.mark, *_columns(SignInTriesRow))
        for some in in_parts(ids):
            for mark, *tries in self.session.execute(query.where(SignInTriesRow.mark.in_(some))):
                found[ids[mark]].append(Tries(*tries))
        at_known = select(KnownAddressRow.user_id, *_columns(KnownAddressRow))
        for part in in_parts(marks):
            of_part = at_known.where(KnownAddressRow.user_id.in_(part))
            for user_id, *tries in self.session.execute(of_part):
                found[user_id].append(Tries(*tries))
        return found

    def unlock(self, user_id: str, mark: bytes) -> None:
        """Reset all counts of the user; known addresses stay known."""
        known = update(KnownAddressRow).where(KnownAddressRow.user_id == user_id)
        self.session.execute(delete(SignInTriesRow).where(SignInTriesRow.mark == mark))
        self.session.execute(known.values(**asdict(Tries())))

    def forget(self, tried_before: datetime, spent_before: datetime) -> int:
        """Delete up to `MAX_DELETED` counts that have no effect any more; returns how many."""
        row = SignInTriesRow
        is_over = (row.tried_at <= tried_before, row.spent_until <= spent_before)
        old = select(row.mark).where(*is_over)
        marks = self.session.scalars(_some_that_are_not_locked(old)).all()
        self.session.execute(delete(SignInTriesRow).where(SignInTriesRow.mark.in_(marks)))
        return len(marks)

    def forget_known(self, succeeded_before: datetime) -> int:
        """Delete up to `MAX_DELETED` addresses without a success since; returns how many."""
        key = (KnownAddressRow.user_id, KnownAddressRow.address_mark)
        old = select(*key).where(KnownAddressRow.succeeded_at <= succeeded_before)
        found = [tuple(row) for row in self.session.execute(_some_that_are_not_locked(old))]
        self.session.execute(delete(KnownAddressRow).where(tuple_(*key).in_(found)))
        return len(found)

    def _hold(self, mark: bytes) -> Tries:
        """The count of that mark; a missing one is created."""
        created = insert_into(self.session, SignInTriesRow).values(mark=mark, **asdict(Tries()))
        self.session.execute(created.on_conflict_do_nothing())
        query = _tries(SignInTriesRow).where(SignInTriesRow.mark == mark)
        return Tries(*self.session.execute(query).one())

    def _update_known(self, attempt: Attempt, **values: Any) -> None:
        at = _at(attempt.user_id or "", attempt.address_mark)
        self.session.execute(update(KnownAddressRow).where(*at).values(**values))


def _columns(row: type[CountedTries]) -> list[Any]:
    return [getattr(row, each.name) for each in fields(Tries)]


def _tries(row: type[CountedTries]) -> Any:
    """The count, locked until the end of the transaction; SQLite has only one writer."""
    return select(*_columns(row)).with_for_update()


def _at(user_id: str, address: bytes) -> list[ColumnElement[bool]]:
    return [KnownAddressRow.user_id == user_id, KnownAddressRow.address_mark == address]


def _some_that_are_not_locked(query: Any) -> Any:
    return query.limit(MAX_DELETED).with_for_update(skip_locked=True)


class CounterKeys:
    """Keyed hashes of users and addresses, so that the database does not reveal them."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of_user(self, user_id: str) -> bytes:
        return self._mark("user", user_id)

    def of_unknown_user(self, username: str) -> bytes:
        """The mark of an unknown name; several names share one."""
        return self._mark("unknown", fold_username(username))[:_UNKNOWN_MARK_BYTES]

    def of_address(self, address: str | None) -> bytes:
        return self._mark("address", network_of(address))

    def _mark(self, kind: str, text: str) -> bytes:
        message = f"{kind} {text}".encode("utf-8", "surrogatepass")
        return hmac.digest(self._key, message, "sha256")[:_MARK_BYTES]
