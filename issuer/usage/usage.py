"""The reports of verifiers, how often scopes were sufficient or lacking, and recording them."""

import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.directory.store import load_role_grants
from issuer.errors import InvalidField
from issuer.fields.fields import Fields
from issuer.fields.times import Instant
from issuer.scopes import InvalidScope, meet, parse
from issuer.usage.store import MOST_REPORTS_OF_DAY, OTHERS, UsageKey, UsageStore
from issuer.vocabulary import INSPECTOR, MAX_CLOCK_SKEW

MOST_COUNTS = 1_000
_MOST_REQUESTS = 1_000_000_000

Subject = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
Requests = Annotated[int, Field(ge=0, le=_MOST_REQUESTS)]
KEPT_FOR = timedelta(days=90)
ACCEPTED_FOR = timedelta(days=1)


class Window(Fields):
    """When the requests were. A report with an `id` that was counted before counts for nothing."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start > self.end:
            raise ValueError("start must not be after end")
        return self


class Outcomes(Fields):
    """For how many requests a scope was sufficient, and for how many it was lacking."""

    allowed: Requests = 0
    refused: Requests = 0


class ScopeCount(Outcomes):
    """The requests of one subject through one client that needed this scope."""

    sub: Subject
    client_id: Subject
    scope: Subject


class UsageReport(Fields):
    """What a verifier counted for its audience. `others`: what exceeded its bounds."""

    window: Window
    audience: Annotated[str, Field(max_length=255)]
    counts: Annotated[list[ScopeCount], Field(max_length=MOST_COUNTS)]
    others: Outcomes = Outcomes()


class Usage(UsageStore):
    """What the verifiers of each audience reported, in one transaction."""

    def __init__(self, session: Session, clock: Clock) -> None:
        super().__init__(session)
        self._clock = clock

    def record(self, client_id: str, report: UsageReport) -> bool:
        """Add the counts to those of their day (UTC); whether they were new.

        A report that was recorded before changes nothing. Of reports beyond
        `MOST_REPORTS_OF_DAY`, all counts are others. `InvalidField` if it is older than a day.
        """
        now, end = self._clock(), report.window.end
        if abs(end - now) > ACCEPTED_FOR:
            raise InvalidField("window.end", "must be less than a day from now")
        day = day_of(min(end, now))
        is_beyond = self.count_report(report.audience, day) > MOST_REPORTS_OF_DAY
        name = f"usage {client_id} {report.audience} {report.window.id}"
        digest = hashlib.sha256(name.encode()).digest()
        # The ids of further reports are not remembered: sent again, they count again, as others.
        if not is_beyond and not self.claim(digest, end + ACCEPTED_FOR + MAX_CLOCK_SKEW):
            return False
        counts = {OTHERS: [report.others.allowed, report.others.refused]}
        for key, allowed, refused in _counts(report):
            numbers = counts.setdefault(OTHERS if is_beyond else key, [0, 0])
            numbers[0] += allowed
            numbers[1] += refused
        used = [key for key, numbers in counts.items() if numbers[0] and key != OTHERS]
        first = self.not_allowed_yet(report.audience, day, used)
        self.add(report.audience, day, counts)
        self.note_roles(self._roles_used(report.audience, first), day)
        return True

    def _roles_used(self, audience_id: str, keys: Collection[UsageKey]) -> set[str]:
        """The roles by which subjects and clients of these hold there what was needed."""
        ids = {name for key in keys for name in (key.subject, key.client_id)}
        grants = load_role_grants(self.session, ids, self._clock()) if ids else {}
        return {
            grant.role
            for key in keys
            for name in {key.subject, key.client_id}
            for grant in grants[name]
            if grant.audience_id in {None, audience_id} and meet(grant.scopes, [key.scope])
        }


def _counts(report: UsageReport) -> Iterator[tuple[UsageKey, int, int]]:
    """What is no scope counts as `others`, rather than that all others of the report are lost.

    What inspections needed does not count.
    """
    for each in report.counts:
        if each.sub == INSPECTOR:
            continue
        try:
            parse(each.scope)
        except InvalidScope:
            key = OTHERS
        else:
            key = UsageKey(each.sub, each.client_id, each.scope)
        yield key, each.allowed, each.refused


def day_of(instant: datetime) -> datetime:
    """The beginning of the day, in UTC."""
    return instant.replace(hour=0, minute=0, second=0, microsecond=0)


def delete_old_usage(database: Database, clock: Clock) -> None:
    """Delete what is older than `KEPT_FOR`."""
    oldest = day_of(clock() - KEPT_FOR)
    database.in_batches(lambda session: UsageStore(session).delete_before(oldest))


def within_kept(period: timedelta) -> timedelta:
    """`ValueError` unless it is whole days for which usage is stored."""
    days = period / timedelta(days=1)
    if not 1 <= days <= KEPT_FOR.days or days % 1:
        raise ValueError(f"must be 1d to {KEPT_FOR.days}d")
    return period
