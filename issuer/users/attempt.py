"""An attempt to sign in, and the counts that it is added to."""

import hmac
from dataclasses import dataclass, field
from datetime import datetime

from issuer.fields.networks import network_of
from issuer.fields.usernames import fold_username
from issuer.users.attempts import NEVER, Counted, Counts, Tries
from issuer.users.attempts_store import AttemptStore

_MARK_BYTES = 16
# Unknown names share 65,536 counts, which bounds the number of rows.
_UNKNOWN_MARK_BYTES = 2


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
