"""How each AgentOS is: closed, alive and used, as inspections found and verifiers report."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from issuer.audiences import Audience, Audiences
from issuer.authority import Authority
from issuer.clock import Clock
from issuer.fields.text import counts_in_words
from issuer.inspection.components import Exposure, InspectionReport, Severity
from issuer.inspection.inspections import INSPECTED_EVERY, Inspections
from issuer.keys import Keys
from issuer.review.evidence import may_read_usage
from issuer.roles import Assignments
from issuer.roles.assignments import ENDS_SOON
from issuer.settings import Settings
from issuer.status.report import PROBLEM, WARNING, Finding
from issuer.status.server_status import AgentOSStatus
from issuer.usage.store import UsageStore
from issuer.usage.usage import day_of
from issuer.verifiers.known_verifiers import DescribedVerifier, KnownVerifiers

MOST = 100
READ_VERIFIERS = "issuer:verifiers:read"
_NAMED = 2  # rules
# An AgentOS may be away for a while when it is inspected, and is tried again.
_LATE = INSPECTED_EVERY + timedelta(hours=12)


class AgentOSWork(Protocol):
    """What this uses of a unit of work."""

    clock: Clock
    authority: Authority
    audiences: Audiences
    assignments: Assignments
    keys: Keys

    @property
    def inspections(self) -> Inspections: ...
    @property
    def verifiers(self) -> KnownVerifiers: ...
    @property
    def usage(self) -> UsageStore: ...


@dataclass(frozen=True, kw_only=True)
class AgentOSState:
    """What is known of the AgentOS of an audience.

    `verifiers` reported in the last day, and `lacking` is how many live ones do not hold the next
    key although it was announced long enough. `requests` were counted since midnight in UTC, and
    `last_used` is the last day with one. So many roles as `ending` end there within a week. None:
    the caller may not read it, or, of `inspection` and `last_used`, there is none.
    """

    audience: Audience
    inspection: InspectionReport | None
    verifiers: Sequence[DescribedVerifier] | None
    lacking: int
    requests: int | None
    last_used: datetime | None
    ending: int | None

    @property
    def exposures(self) -> list[Exposure]:
        """What the last inspection found, the most severe first."""
        return self.inspection.findings if self.inspection else []

    @property
    def exposed(self) -> list[str]:
        """The rules of high severity that it breaks, each once."""
        high = (each.rule for each in self.exposures if each.severity is Severity.HIGH)
        return list(dict.fromkeys(high))

    @property
    def severities(self) -> dict[str, int]:
        """How many rules of each severity it breaks, the most severe first."""
        rules = {each.rule: each.severity for each in self.exposures}
        return {each: number for each in Severity if (number := Counter(rules.values())[each])}

    @property
    def consists_of(self) -> str:
        """How many agents, teams and workflows it has, in words; empty if that is unknown."""
        if self.inspection is None:
            return ""
        found = self.inspection.components
        names = {"agent": found.agents, "team": found.teams, "workflow": found.workflows}
        return counts_in_words({name: len(each) for name, each in names.items()})

    @property
    def live(self) -> list[DescribedVerifier]:
        """The verifiers that reported just now."""
        return [each for each in self.verifiers or () if each.live]

    @property
    def silent_since(self) -> datetime | None:
        """When the last verifier reported, if all that did in the last day are silent now."""
        if not self.verifiers or self.live:
            return None
        return max(each.seen_at for each in self.verifiers)


def agent_os_states(
    work: AgentOSWork, audiences: Sequence[Audience] | None = None
) -> list[AgentOSState]:
    """The state of each, by default of the first `MOST`, without that of the issuer's own API.

    Seven queries at most, however many there are.
    """
    if audiences is None:
        audiences = work.audiences.page(None, MOST + 1)
    audiences = [each for each in audiences if each.id != work.audiences.own_id]
    ids, today = [each.id for each in audiences], day_of(work.clock())
    inspections, holds = work.inspections.of_each(ids), work.authority.holds
    reads_verifiers = holds(READ_VERIFIERS)
    reported = work.verifiers.all() if reads_verifiers else []
    verifiers = {each: [it for it in reported if it.audience == each] for each in ids}
    late = {key.kid for key in work.keys.all() if key.ready_at <= work.clock()}
    reads_usage = may_read_usage(holds)
    requests = work.usage.requests_since(today, ids) if reads_usage else {}
    last_days = work.usage.last_days(ids) if reads_usage else {}
    ending = work.assignments.count_ending_at(ids, ENDS_SOON) if reads_usage else {}
    return [
        AgentOSState(
            audience=each,
            inspection=inspections.get(each.id),
            verifiers=verifiers[each.id] if reads_verifiers else None,
            lacking=sum(it.live and it.missing_kid in late for it in verifiers[each.id]),
            requests=requests.get(each.id, 0) if reads_usage else None,
            last_used=last_days.get(each.id),
            ending=ending.get(each.id, 0) if reads_usage else None,
        )
        for each in audiences
    ]


def of_agent_os(state: AgentOSState, settings: Settings, now: datetime) -> Iterator[Finding]:
    """What its owner should know first: it is open, or its verifiers are silent or behind."""
    name = state.audience.id
    if exposed := state.exposed:
        text = " ".join(map(_summary, exposed[:_NAMED]))
        if (more := len(exposed) - _NAMED) > 0:
            text += f" And {more} more finding{'s' if more > 1 else ''} of high severity."
        yield Finding(name, PROBLEM, text, f"issuer audience inspect {name} says what to change.")
    if (since := state.silent_since) is not None:
        text = f"None of its verifiers has reported since {since:%Y-%m-%d %H:%M} UTC."
        yield Finding(name, WARNING, text, "Is it running, and does it reach this issuer?")
    if state.lacking:
        verb, live = "lacks" if state.lacking == 1 else "lack", len(state.live)
        text = f"{state.lacking} of its {live} live verifiers {verb} the next key."
        yield Finding(name, WARNING, text, "Can they fetch the key set?")
    last = state.inspection if settings.daily_inspection else None
    if last and state.audience.url == last.url and now - last.inspected_at > _LATE:
        text = f"It was last inspected on {last.inspected_at:%Y-%m-%d}: it has not answered since."
        yield Finding(name, WARNING, text)


def _summary(name: str) -> str:
    """What is wrong by the rule of this name, as a sentence."""
    from issuer.inspection.rules import RULES  # noqa: PLC0415 - 7.0 MB

    return next((rule.summary for rule in RULES if rule.name == name), f"It breaks {name}.")


def agent_os_status(states: Iterable[AgentOSState]) -> AgentOSStatus:
    """How many are open, and how many are silent."""
    states = list(states)
    return AgentOSStatus(
        exposed=sum(bool(each.exposed) for each in states),
        silent=sum(each.silent_since is not None for each in states),
    )
