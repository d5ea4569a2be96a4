"""How many passwords may be tried: a pure function of what was tried before, and of the time.

Each attempt is counted on one of two ways in. From an address where this user has signed in
before, it counts for that user at that address, and for nothing else. From anywhere else it counts
for the user, and for the address whoever the user: unless a client that authenticates presents it,
since then the address is that of an application which all its users share. So attempts from unknown
addresses never use up those of a user at a known one.

Attempts under way are counted, and are no failures: where one more depends on how they end, it
waits.

A count has rounds: after `most` failures in a row it is locked, for `lock`. A round is forgotten
`lock` after its last try, or when the user succeeds. Beside that it has an allowance of ten
rounds in any 24 hours, which only time gives back: with ten failures, that is at most 100 wrong
passwords of a user in a day, from however many addresses.
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
_FREE_SHARE = 0.3  # of a round: everybody mistypes
_MAX_PAUSE = timedelta(minutes=1)
_MAX_ATTEMPT = timedelta(seconds=30)  # what has not ended by then was cut off by a crash


class Counted(StrEnum):
    """What attempts are counted for."""

    USER = "user"
    USER_AT_KNOWN_ADDRESS = "user at a known address"
    ADDRESS = "address"


@dataclass(frozen=True, slots=True)
class Tries:
    """What is remembered of the attempts that were counted for one thing."""

    tried: int = 0  # in this round, those under way and those a crash cut off included
    failed: int = 0  # of them, those that were answered
    tried_at: datetime = NEVER  # the last
    spent_until: datetime = NEVER  # when the allowance is full again


Standing: TypeAlias = Mapping[Counted, Tries]


@dataclass(frozen=True, slots=True)
class Limit:
    """What one count allows. A password may be tried if all counts it is counted for allow it."""

    most: int
    lock: timedelta
    pauses: bool = True

    @property
    def max_in_a_day(self) -> int:
        """More cannot fail in any 24 hours."""
        return self.most * (_ROUNDS_AT_ONCE + _ROUNDS_GIVEN_BACK_A_DAY)

    def refused_until(self, tries: Tries, now: datetime) -> datetime:
        """Before it no password is tried; at `now` or earlier if one may be tried now."""
        current = self._current(tries, now)
        pause = self._pause(current.failed)
        # Without a pause the last try does not matter, though the clock of its process be ahead.
        return max(self._locked_until(current), current.tried_at + pause if pause else NEVER)

    def is_locked(self, tries: Tries, now: datetime) -> bool:
        """Whether a round or the allowance is used up; a pause between two tries is no lock."""
        return self._locked_until(self._current(tries, now)) > now

    def counted(self, tries: Tries, now: datetime) -> Tries:
        """After one more try, whose end is not known yet: it counts as if it had failed."""
        current = self._current(tries, now)
        return Tries(
            current.tried + 1,
            current.failed,
            now,
            max(current.spent_until, now) + self._given_back_every,
        )

    def failed(self, tries: Tries) -> Tries:
        """After a counted try has failed; of a round that has ended since, nothing changes."""
        return replace(tries, failed=min(tries.failed + 1, tries.tried))

    def succeeded(self, tries: Tries) -> Tries:
        """After a counted try was the right password: a new round, and the try is given back.

        What others spent of the allowance is not: signing in often must not help who guesses.
        """
        return self.given_back(replace(tries, tried=1, failed=0))

    def given_back(self, tries: Tries) -> Tries:
        """As if the try had not been."""
        return replace(
            tries,
            tried=max(tries.tried - 1, tries.failed),
            spent_until=tries.spent_until - self._given_back_every,
        )

    def without_those_under_way(self, tries: Tries, now: datetime) -> Tries:
        """As if the tries that have not ended had not been; those a crash cut off stay counted."""
        if tries.tried_at + _MAX_ATTEMPT <= now:
            return tries
        under_way = tries.tried - tries.failed
        given_back = under_way * self._given_back_every
        return replace(tries, tried=tries.failed, spent_until=tries.spent_until - given_back)

    def is_forgotten(self, tries: Tries, now: datetime) -> bool:
        """Whether it is as if nothing had ever been tried."""
        return tries.spent_until <= now and tries.tried_at + self.lock <= now

    def _current(self, tries: Tries, now: datetime) -> Tries:
        over = tries.tried_at + self.lock <= now
        return replace(tries, tried=0, failed=0) if over else tries

    def _locked_until(self, current: Tries) -> datetime:
        after_round = current.tried_at + self.lock if current.tried >= self.most else NEVER
        kept_back = (self.most * _ROUNDS_AT_ONCE - 1) * self._given_back_every
        return max(after_round, current.spent_until - kept_back)

    def _pause(self, failures: int) -> timedelta:
        """One second after the third failure of ten, then twice as long after each."""
        doubled = failures - max(1, int(self.most * _FREE_SHARE))
        if not self.pauses or doubled < 0:
            return timedelta(0)
        return min(timedelta(seconds=2 ** min(doubled, 10)), _MAX_PAUSE, self.lock)

    @property
    def _given_back_every(self) -> timedelta:
        return DAY / (self.most * _ROUNDS_GIVEN_BACK_A_DAY)


class Policy:
    """The limits of all counts: `failures` in a row for a user, then locked for `lock`."""

    def __init__(self, failures: int, lock: timedelta) -> None:
        self.lock = lock
        of_user = Limit(failures, lock)
        self.limits = {
            Counted.USER: of_user,
            Counted.USER_AT_KNOWN_ADDRESS: of_user,
            Counted.ADDRESS: Limit(failures * _ROUNDS_OF_AN_ADDRESS, lock, pauses=False),
        }

    def admits(self, standing: Standing, now: datetime) -> bool:
        """Whether a password may be tried."""
        return all(
            self.limits[what].refused_until(tries, now) <= now for what, tries in standing.items()
        )

    def waits(self, standing: Standing, now: datetime) -> bool:
        """Whether it depends on how those end that are under way if a password may be tried."""
        others_right = {
            what: self.limits[what].without_those_under_way(tries, now)
            for what, tries in standing.items()
        }
        return not self.admits(standing, now) and self.admits(others_right, now)

    def counted(self, standing: Standing, now: datetime) -> Standing:
        """After a try that was admitted. One that is refused changes nothing."""
        return {what: self.limits[what].counted(tries, now) for what, tries in standing.items()}

    def failed(self, standing: Standing) -> Standing:
        """After it has failed."""
        return {what: self.limits[what].failed(tries) for what, tries in standing.items()}

    def succeeded(self, standing: Standing) -> Standing:
        """After it was the right password.

        An address gets back no more than the try: else one's own account there would make room
        for guessing at others'.
        """
        return {what: self._succeeded(what, tries) for what, tries in standing.items()}

    def locked(self, standing: Standing, now: datetime) -> list[Counted]:
        """The counts that are used up."""
        return [what for what, tries in standing.items() if self.limits[what].is_locked(tries, now)]

    def _succeeded(self, what: Counted, tries: Tries) -> Tries:
        limit = self.limits[what]
        return limit.given_back(tries) if what is Counted.ADDRESS else limit.succeeded(tries)
