"""An attempt to sign in, and the counts that it is added to."""

from dataclasses import dataclass, field
from datetime import datetime

from issuer.users.attempts import NEVER, Counted, Counts, Tries
from issuer.users.attempts_store import AttemptStore


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
