"""When clients, users and roles were last used, as verifiers reported it: by day."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.resources import ResourceType
from issuer.review.evidence import UNUSED_FOR, ReportCoverage, coverage_of, may_read_usage
from issuer.review.store import UsedScope
from issuer.scopes import meet
from issuer.usage import KEPT_FOR
from issuer.usage.usage import day_of
from issuer.users import USER
from issuer.web.console.screens.operator import Operator

_COUNTED = 10_000  # rows of a client


def reads_usage(operator: Operator) -> bool:
    """Whether the operator may see what is used: as for a review."""
    return may_read_usage(operator.holds)


def last_days(
    operator: Operator,
    work: UnitOfWork,
    kind: ResourceType[Any, Any],
    resources: Sequence[Any],
    audience_id: str = "",
) -> Mapping[str, datetime] | None:
    """By key, the last day with a use, there or anywhere; None if the operator may not see that.

    Clients and users are used at an audience; roles are only looked up for all of them. Reports
    from before a resource was created are about another one that had its key.
    """
    if not reads_usage(operator):
        return None
    keys = [kind.key_of(each) for each in resources]
    if kind is CLIENT:
        found = work.usage.last_days_of_clients(keys, audience_id)
    elif kind is USER:
        found = work.usage.last_days_of_users(keys, audience_id)
    else:
        found = work.usage.last_days_of_roles(keys)
    began = {kind.key_of(each): day_of(each.created_at) for each in resources}
    return {key: day for key, day in found.items() if day >= began[key]}


def of_reports(work: UnitOfWork, coverages: Iterable[ReportCoverage]) -> list[str]:
    """A sentence for each audience of which it is unknown what is not used: how far reports go."""
    unknown = [each for each in coverages if not each.is_known]
    today = work.clock().date()
    counted = [each for each in unknown if _is_counted(each, today)]
    ids, first = [each.audience for each in counted], day_of(work.clock() - UNUSED_FOR)
    requests = work.usage.requests_since(first, ids) if ids else {}
    return [_of_report(each, requests.get(each.audience, 0), today) for each in unknown]


def _is_counted(coverage: ReportCoverage, today: date) -> bool:
    """Whether the sentence has a number: not of reports that began earlier, or do not come."""
    first = coverage.first_report
    return first is not None and today - first <= UNUSED_FOR


def _of_report(coverage: ReportCoverage, requests: int, today: date) -> str:
    """ "my-os: 41 requests since today; first verdicts on 31 December.", or what is missing."""
    name, first, known_from = coverage.audience, coverage.first_report, coverage.known_from
    if first is None or known_from is None:
        return f"Unknown what is used at {name}: {coverage.reason}."
    verdicts = f"verdicts on {known_from.day} {known_from:%B}"
    if not _is_counted(coverage, today):
        return f"Unknown what is used at {name}: {coverage.reason}; next {verdicts}."
    count = f"{requests:,} request{'s' if requests != 1 else ''}"
    since = "today" if first == today else f"{first.day} {first:%B}"
    return f"{name}: {count} since {since}; first {verdicts}."


@dataclass(frozen=True, slots=True)
class UseAtAudience:
    """What a client or user used at an audience within 90 days; `unknown` in a sentence."""

    used: Sequence[UsedScope]
    unknown: str

    def last_day(self, scope: str) -> datetime | None:
        """The last day with a request that the scope allowed."""
        return max(filter(None, (each.last_allowed for each in self._of(scope))), default=None)

    def requests(self, scope: str) -> int:
        """How many requests the scope allowed."""
        return sum(each.allowed for each in self._of(scope))

    def _of(self, scope: str) -> list[UsedScope]:
        return [each for each in self.used if each.allowed and meet([scope], [each.scope])]


def use_at(
    operator: Operator, work: UnitOfWork, kind: ResourceType[Any, Any], resource: Any, at: str
) -> UseAtAudience | None:
    """What it used at the AgentOS `at`, or if that is empty, at any; None if that is not seen.

    Of all of them, it is not said how far reports go.
    """
    if at == work.audiences.own_id or not reads_usage(operator):
        return None
    key, now = kind.key_of(resource), work.clock()
    reviewed, counted_since = work.reviewed, None
    if kind is USER:
        found = reviewed.uses_of_users([key])[key]
    else:
        found, counted_since = reviewed.latest_uses_of_client(key, _COUNTED)
    began = day_of(resource.created_at)
    used = [each.since(began) for each in found if at in {"", each.audience}]
    if counted_since:
        return UseAtAudience(used, f"Counted since {counted_since:%Y-%m-%d}: it is used by many.")
    if not at:
        return UseAtAudience(used, "")
    days = reviewed.days_with_reports(day_of(now - KEPT_FOR), at).get(at, {})
    coverage = coverage_of(at, days, now)
    requests = sum(each.allowed for each in used)
    unknown = "" if coverage.is_known else _of_report(coverage, requests, now.date())
    return UseAtAudience(used, unknown)
