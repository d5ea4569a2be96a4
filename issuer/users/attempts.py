"""How many passwords may be tried: a pure function of earlier attempts and the time.

Each attempt is counted in one of two ways. From an address where this user has signed in before,
it counts for that user at that address only. From any other address it counts for the user, and
for the address across all users; not for the address if an authenticated client presents the
password, since that address belongs to an application all its users share. So attempts from
unknown addresses never use up those of a user at a known one.

Attempts in progress are counted, but not as failures: if one more attempt depends on their
outcome, it waits.

A count has rounds: after `most` failures in a row it is locked for `lock`. A round is forgotten
`lock` after its last attempt, or when the user succeeds. In addition there is an allowance of ten
rounds in any 24 hours, restored only by time: with ten failures a round, at most 100 wrong
passwords for a user a day, from any number of addresses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

DAY = timedelta(days=1)
NEVER = datetime(1970, 1, 1, tzinfo=UTC)
_ROUNDS_AT_ONCE = 5  # the allowance, when full
_ROUNDS_GIVEN_BACK_A_DAY = 5
_ROUNDS_OF_AN_ADDRESS = 10  # many people may share one
_FREE_SHARE = 0.3  # of a round: users mistype
_MAX_PAUSE = timedelta(minutes=1)
_MAX_ATTEMPT = timedelta(seconds=30)  # an attempt without an outcome by then ended in a crash


class Counted(StrEnum):
    """What attempts are counted for."""

    USER = "user"
    USER_AT_KNOWN_ADDRESS = "user at a known address"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Tries:
    """The attempts counted for one user, known address or address."""

    tried: int = 0  # in this round, attempts in progress and those ended by a crash included
    failed: int = 0  # of them, those with a known outcome
    tried_at: datetime = NEVER  # the last attempt
    spent_until: datetime = NEVER  # when the allowance is full again


Counts: TypeAlias = Mapping[Counted, Tries]


@dataclass(frozen=True, slots=True)
class Limit:
    """The limits of one count. A password may be tried if all its counts allow it."""

    most: int
    lock: timedelta
    pauses: bool = True

    def next_try_at(self, tries: Tries, now: datetime) -> datetime:
        """When a password may be tried next; not after `now` if one may be tried now."""
        current = self._current(tries, now)
        pause = self._pause(current.failed)
        # Without a pause the last attempt does not matter, even if its process's clock is ahead.
        return max(self._lock_end(current), current.tried_at + pause if pause else NEVER)

    def is_locked(self, tries: Tries, now: datetime) -> bool:
        """Whether a round or the allowance is used up; a pause between two attempts is no lock."""
        return self._lock_end(self._current(tries, now)) > now

    def count(self, tries: Tries, now: datetime) -> Tries:
        """After one more attempt whose outcome is unknown: it counts as a failure."""
        current = self._current(tries, now)
        spent_until = max(current.spent_until, now) + self._interval
        return Tries(current.tried + 1, current.failed, now, spent_until)

    def fail(self, tries: Tries) -> Tries:
        """After a counted attempt has failed; no effect if its round has ended since."""
        return replace(tries, failed=min(tries.failed + 1, tries.tried))

    def succeed(self, tries: Tries) -> Tries:
        """After a counted attempt succeeded: a new round, and the attempt is given back.

        Other attempts are not: frequent sign-ins must not help someone guessing.
        """
        return self.give_back(replace(tries, tried=1, failed=0))

    def give_back(self, tries: Tries) -> Tries:
        spent_until, tried = tries.spent_until - self._interval, tries.tried - 1
        return replace(tries, tried=max(tried, tries.failed), spent_until=spent_until)

    def without_those_under_way(self, tries: Tries, now: datetime) -> Tries:
        """Without attempts in progress; those ended by a crash stay counted."""
        if tries.tried_at + _MAX_ATTEMPT <= now:
            return tries
        under_way = tries.tried - tries.failed
        given_back = under_way * self._interval
        return replace(tries, tried=tries.failed, spent_until=tries.spent_until - given_back)

    def _current(self, tries: Tries, now: datetime) -> Tries:
        over = tries.tried_at + self.lock <= now
        return replace(tries, tried=0, failed=0) if over else tries

    def _lock_end(self, current: Tries) -> datetime:
        after_round = current.tried_at + self.lock if current.tried >= self.most else NEVER
        allowance = (self.most * _ROUNDS_AT_ONCE - 1) * self._interval
        return max(after_round, current.spent_until - allowance)

    def _pause(self, failures: int) -> timedelta:
        """One second after the third failure of ten, then doubled after each."""
        doubled = failures - max(1, int(self.most * _FREE_SHARE))
        if not self.pauses or doubled < 0:
            return timedelta(0)
        return min(timedelta(seconds=2 ** min(doubled, 10)), _MAX_PAUSE, self.lock)

    @property
    def _interval(self) -> timedelta:
        return DAY / (self.most * _ROUNDS_GIVEN_BACK_A_DAY)


class AttemptPolicy:
    """The limits of all counts: `failures` in a row for a user, then locked for `lock`."""

    def __init__(self, failures: int, lock: timedelta) -> None:
        self.lock = lock
        of_user = Limit(failures, lock)
        self.limits = dict.fromkeys((Counted.USER, Counted.USER_AT_KNOWN_ADDRESS), of_user)
        self.limits[Counted.ADDRESS] = Limit(failures * _ROUNDS_OF_AN_ADDRESS, lock, pauses=False)

    def admits(self, counts: Counts, now: datetime) -> bool:
        limits = self.limits
        return all(limits[what].next_try_at(tries, now) <= now for what, tries in counts.items())

    def waits(self, counts: Counts, now: datetime) -> bool:
        """Whether the outcome of attempts in progress decides if a password may be tried."""
        limits = self.limits
        if_all_succeed = {e: limits[e].without_those_under_way(t, now) for e, t in counts.items()}
        return not self.admits(counts, now) and self.admits(if_all_succeed, now)

    def count(self, counts: Counts, now: datetime) -> Counts:
        """After an admitted attempt. A refused one changes nothing."""
        return {what: self.limits[what].count(tries, now) for what, tries in counts.items()}

    def fail(self, counts: Counts) -> Counts:
        return {what: self.limits[what].fail(tries) for what, tries in counts.items()}

    def succeed(self, counts: Counts) -> Counts:
        """After a success. An address gets only that attempt back, so that it allows no guesses."""
        return {what: self._succeed(what, tries) for what, tries in counts.items()}

    def give_back(self, counts: Counts, before: Counts, made_at: datetime) -> Counts:
        """The counts without an admitted attempt: no pause follows it, unless others do."""
        return {
            what: replace(
                self.limits[what].give_back(tries),
                tried_at=before[what].tried_at if tries.tried_at == made_at else tries.tried_at,
            )
            for what, tries in counts.items()
        }

    def locks(self, counts: Counts, now: datetime) -> list[Counted]:
        return [what for what, tries in counts.items() if self.limits[what].is_locked(tries, now)]

    def _succeed(self, what: Counted, tries: Tries) -> Tries:
        limit = self.limits[what]
        return limit.give_back(tries) if what is Counted.ADDRESS else limit.succeed(tries)
