"""Attempts to sign in, and what counts them in SQL: users and addresses by keyed hashes.

Rows are locked in one order: the user's, the address's, a known address's. Cleaning up waits for
no lock. So there is no deadlock.
"""

import hmac
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, select, tuple_, update
from sqlalchemy.orm import Session

from issuer.database.store import insert_into
from issuer.database.tables import CountedTries, KnownAddressRow, SignInTriesRow, UserRow
from issuer.fields.networks import network_of
from issuer.fields.usernames import fold_username
from issuer.users.attempts import NEVER, Counted, Counts, Tries

MAX_KNOWN_ADDRESSES = 20  # of a user
MAX_DELETED = 5_000  # at a time
_MARK_BYTES = 16
# Unknown names share 65,536 counts, which bounds the number of rows.
_UNKNOWN_MARK_BYTES = 2


class AttemptStore:
    """Within one transaction. Rows read by `hold` stay locked until the transaction ends."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def hold_known(self, user_id: str, address: bytes, since: datetime) -> Tries | None:
        """The count of the user at that address; None without a successful sign-in since then."""
        query = _tries(KnownAddressRow).where(
            *_at(user_id, address), KnownAddressRow.succeeded_at > since
        )
        found = self._session.execute(query).one_or_none()
        return Tries(*found) if found else None

    def hold(self, mark: bytes) -> Tries:
        """The count of that mark; a missing one is created."""
        created = insert_into(self._session, SignInTriesRow).values(mark=mark, **asdict(Tries()))
        self._session.execute(created.on_conflict_do_nothing())
        query = _tries(SignInTriesRow).where(SignInTriesRow.mark == mark)
        return Tries(*self._session.execute(query).one())

    def keep_known(self, user_id: str, address: bytes, tries: Tries) -> None:
        self._update_known(user_id, address, **asdict(tries))

    def keep(self, mark: bytes, tries: Tries) -> None:
        self._session.execute(
            update(SignInTriesRow).where(SignInTriesRow.mark == mark).values(**asdict(tries))
        )

    def still_known(self, user_id: str, address: bytes, now: datetime) -> None:
        """Another successful sign-in at an address that is known for the user."""
        self._update_known(user_id, address, succeeded_at=now)

    def make_known(self, user_id: str, address: bytes, now: datetime) -> None:
        """Add a known address of the user; beyond the maximum, drop the least recently used.

        Does nothing if the user was deleted meanwhile.
        """
        user = select(UserRow.id).where(UserRow.id == user_id)
        user = user.with_for_update(read=True, key_share=True)
        if self._session.scalars(user).one_or_none() is None:
            return
        made = insert_into(self._session, KnownAddressRow).values(
            user_id=user_id, address_mark=address, succeeded_at=now, **asdict(Tries())
        )
        self._session.execute(
            made.on_conflict_do_update(
                index_elements=["user_id", "address_mark"], set_={"succeeded_at": now}
            )
        )
        surplus = (
            select(KnownAddressRow.address_mark)
            .where(KnownAddressRow.user_id == user_id)
            .order_by(KnownAddressRow.succeeded_at.desc(), KnownAddressRow.address_mark)
            .offset(MAX_KNOWN_ADDRESSES)
        )
        for mark in self._session.scalars(surplus).all():
            self._session.execute(delete(KnownAddressRow).where(*_at(user_id, mark)))

    def of_user(self, user_id: str, mark: bytes) -> list[Tries]:
        """All counts of the user, not locked."""
        columns = ("tried", "failed", "tried_at", "spent_until")
        of = (
            (SignInTriesRow, SignInTriesRow.mark == mark),
            (KnownAddressRow, KnownAddressRow.user_id == user_id),
        )
        return [
            Tries(*found)
            for row, is_of_user in of
            for found in self._session.execute(
                select(*(getattr(row, name) for name in columns)).where(is_of_user)
            )
        ]

    def unlock(self, user_id: str, mark: bytes) -> None:
        """Reset all counts of the user; known addresses stay known."""
        self._session.execute(delete(SignInTriesRow).where(SignInTriesRow.mark == mark))
        self._session.execute(
            update(KnownAddressRow)
            .where(KnownAddressRow.user_id == user_id)
            .values(**asdict(Tries()))
        )

    def forget(self, tried_before: datetime, spent_before: datetime) -> int:
        """Delete up to `MAX_DELETED` counts that have no effect any more; returns how many."""
        old = select(SignInTriesRow.mark).where(
            SignInTriesRow.tried_at <= tried_before, SignInTriesRow.spent_until <= spent_before
        )
        marks = self._session.scalars(_some_that_are_not_locked(old)).all()
        self._session.execute(delete(SignInTriesRow).where(SignInTriesRow.mark.in_(marks)))
        return len(marks)

    def forget_known(self, succeeded_before: datetime) -> int:
        """Delete up to `MAX_DELETED` addresses without a success since; returns how many."""
        key = (KnownAddressRow.user_id, KnownAddressRow.address_mark)
        old = select(*key).where(KnownAddressRow.succeeded_at <= succeeded_before)
        found = [tuple(row) for row in self._session.execute(_some_that_are_not_locked(old))]
        self._session.execute(delete(KnownAddressRow).where(tuple_(*key).in_(found)))
        return len(found)

    def _update_known(self, user_id: str, address: bytes, **values: Any) -> None:
        self._session.execute(
            update(KnownAddressRow).where(*_at(user_id, address)).values(**values)
        )


def _tries(row: type[CountedTries]) -> Any:
    """The count, locked until the end of the transaction; SQLite has only one writer."""
    return select(row.tried, row.failed, row.tried_at, row.spent_until).with_for_update()


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


def of_known_address(known: Tries) -> Counts:
    """What an attempt from a known address counts for: nothing but the user there."""
    return {Counted.USER_AT_KNOWN_ADDRESS: known}


def of_unknown_address(store: AttemptStore, attempt: Attempt) -> Counts:
    """The counts of the user and, unless an application sent the attempt, of the address."""
    counts = {Counted.USER: store.hold(attempt.user_mark)}
    if attempt.counts_address:
        counts[Counted.ADDRESS] = store.hold(attempt.address_mark)
    return counts


def held(store: AttemptStore, attempt: Attempt) -> Counts:
    """The counts the attempt was added to, even if its address has become known since."""
    if not attempt.is_from_known_address:
        return of_unknown_address(store, attempt)
    known = store.hold_known(attempt.user_id or "", attempt.address_mark, NEVER)
    return of_known_address(known) if known else {}


def keep(store: AttemptStore, attempt: Attempt, counts: Counts) -> None:
    """Store the counts that the attempt was added to."""
    for what, tries in counts.items():
        match what:
            case Counted.USER:
                store.keep(attempt.user_mark, tries)
            case Counted.ADDRESS:
                store.keep(attempt.address_mark, tries)
            case Counted.USER_AT_KNOWN_ADDRESS:
                store.keep_known(attempt.user_id or "", attempt.address_mark, tries)


def note_success(store: AttemptStore, attempt: Attempt, now: datetime) -> None:
    """The address of the attempt is known for the user from now on."""
    user_id = attempt.user_id or ""
    if attempt.is_from_known_address:
        store.still_known(user_id, attempt.address_mark, now)
    else:
        store.make_known(user_id, attempt.address_mark, now)
