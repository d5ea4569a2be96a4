"""Protection against guessing: an attempt is counted, and that committed, before it is checked."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from issuer.audit import Actor, Trail, Trails
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.errors import InvalidCredentials, IssuerError
from issuer.telemetry.metrics import Metrics
from issuer.users.attempts import AttemptPolicy, Counted, Counts, Tries
from issuer.users.attempts_store import MAX_DELETED, Attempt, AttemptStore, CounterKeys

# Most attempts take tens of milliseconds.
_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5)  # seconds
CLEAR_EVERY = timedelta(minutes=1)
KNOWN_FOR = timedelta(days=90)
LOCKING = "sign_in.locked"

T = TypeVar("T")


async def waiting_for_others(clock: Clock, attempt: Callable[[bool], Awaitable[T]]) -> T:
    """The result of `attempt(may_wait)`, tried again while it raises `AttemptsUnderWay`."""
    for pause in _PAUSES:
        try:
            return await attempt(True)
        except AttemptsUnderWay:
            await clock.sleep(pause)
    return await attempt(False)


class AttemptsUnderWay(IssuerError):
    """Attempts in progress decide whether a password may be tried: retry soon."""


@dataclass(frozen=True, slots=True)
class SignInState:
    """Consecutive wrong passwords of a user, and until when passwords are refused."""

    failed_attempts: int
    locked_until: datetime | None


@dataclass(eq=False, repr=False)
class AttemptGuard:
    """Admits attempts and records outcomes, each in a short transaction: timing reveals nothing."""

    _database: Database
    _trails: Trails
    _clock: Clock
    _policy: AttemptPolicy
    _keys: CounterKeys
    _metrics: Metrics = field(default_factory=Metrics)
    # Called with a user, the caller and the time of a sign-in from an address that is new.
    _on_new_address: Callable[[str, Actor, datetime], None] | None = None

    @contextmanager
    def attempting(
        self,
        user_id: str | None,
        username: str,
        actor: Actor,
        *,
        may_wait: bool,
        counts_address: bool = True,
    ) -> Iterator[Attempt]:
        """An attempt that `InvalidCredentials` ends as failed; if it succeeds, the caller ends it.

        `AttemptsUnderWay` if concurrent attempts matter; the caller `may_wait` and retry.
        """
        # Counted before the check, so that a crash never grants a free guess.
        attempt = self.begin(user_id, username, actor.address, counts_address=counts_address)
        if attempt.waits and may_wait:
            raise AttemptsUnderWay
        try:
            yield attempt
        except InvalidCredentials:
            self.end(attempt, actor, succeeded=False)
            raise

    def begin(
        self,
        user_id: str | None,
        username: str,
        address: str | None,
        *,
        counts_address: bool = True,
    ) -> Attempt:
        """Count an attempt for user or unknown name; for an address unless its users share it."""
        user_mark = self._keys.of_user(user_id) if user_id else self._keys.of_unknown_user(username)
        address_mark = self._keys.of_address(address)
        now = self._clock()
        with self._database.transaction() as session:
            store = AttemptStore(session)
            known = store.hold_known(user_id or "", address_mark, now - KNOWN_FOR)
            attempt = Attempt(user_id, user_mark, address_mark, known is not None, counts_address)
            counts: Counts = (
                {Counted.USER_AT_KNOWN_ADDRESS: known} if known else store.hold(attempt)
            )
            before, waits = counts, self._policy.waits(counts, now)
            if is_admitted := self._policy.admits(counts, now):
                counts = self._policy.count(counts, now)
            store.keep(attempt, counts)
        locks = self._policy.locks(counts, now) if is_admitted else []
        decided = replace(attempt, is_admitted=is_admitted, waits=waits, locks=tuple(locks))
        return replace(decided, made_at=now, before=before)

    def end(self, attempt: Attempt, actor: Actor, *, succeeded: bool) -> None:
        """Record the outcome. The outcome of a refused attempt changes nothing."""
        now, database = self._clock(), self._database
        # A lock is audited. The audit log is locked before the counts, as where a password is
        # set, so that the two cannot deadlock.
        may_lock = attempt.locks and not succeeded
        locked: set[Counted] = set()
        with database.changing() if may_lock else database.transaction() as session:
            store = AttemptStore(session)
            counts = store.hold(attempt)
            if not attempt.is_admitted:
                store.keep(attempt, counts)
                return
            of = self._policy.succeed if succeeded else self._policy.fail
            counts = of(counts)
            store.keep(attempt, counts)
            is_new = succeeded and store.note_success(attempt, now, now - KNOWN_FOR)
            if not succeeded:
                locked = set(attempt.locks) & set(self._policy.locks(counts, now))
                _note_locks(self._trails.begin(session, actor), attempt, locked)
        for what in locked:
            self._metrics.sign_in_locked(what.replace(" ", "_"))
        if is_new:
            self._tell_new_address(attempt, actor, now)

    def _tell_new_address(self, attempt: Attempt, actor: Actor, now: datetime) -> None:
        # The address of an application says nothing of where its user is.
        if attempt.counts_address and attempt.user_id and self._on_new_address:
            self._on_new_address(attempt.user_id, actor, now)

    def give_back(self, attempt: Attempt) -> None:
        """Forget an attempt: its password is right, but a second factor is due; no new round."""
        with self._database.transaction() as session:
            store = AttemptStore(session)
            counts = store.hold(attempt)
            if attempt.is_admitted:
                counts = self._policy.give_back(counts, attempt.before, attempt.made_at)
            store.keep(attempt, counts)

    def state_of(self, user_id: str) -> SignInState:
        """The state of the user, without counting anything."""
        with self._database.reading() as session:
            tries = AttemptStore(session).of_users({user_id: self._keys.of_user(user_id)})
        return self.state_by(tries[user_id])

    def state_by(self, tries: Sequence[Tries]) -> SignInState:
        """The state of a user with these counts."""
        now, limit = self._clock(), self._policy.limits[Counted.USER]
        failed = sum(each.failed for each in tries if each.tried_at + limit.lock > now)
        locks = [limit.next_try_at(each, now) for each in tries if limit.is_locked(each, now)]
        return SignInState(failed, max(locks, default=None))

    def clear_up(self) -> None:
        """Delete counts and known addresses that have no effect any more."""
        now = self._clock()

        def forget(session: Session) -> bool:
            store = AttemptStore(session)
            more = store.forget(now - self._policy.lock, now) >= MAX_DELETED
            store.forget_known(now - KNOWN_FOR)
            return more

        self._database.in_batches(forget)


def _note_locks(trail: Trail, attempt: Attempt, locked: set[Counted]) -> None:
    for what in sorted(locked):
        target = None if what is Counted.ADDRESS else attempt.user_id
        trail.note(LOCKING, target, of=what.value)
