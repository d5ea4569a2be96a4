"""What an inspection of an AgentOS found: its agents, teams and workflows, and its exposures."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from urllib.parse import unquote

from pydantic import BaseModel

from issuer.scopes import InvalidScope, parse

FAMILIES = ("agents", "teams", "workflows")
_PARTS = 3


class Severity(StrEnum):
    """How much an exposure gives away. `high`: data, or the right to act."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    def is_at_least(self, other: "Severity") -> bool:
        """Whether it is as severe as `other`, or more."""
        order = list(Severity)
        return order.index(self) <= order.index(other)


class ComponentName(BaseModel):
    """An agent, a team or a workflow. `name` is any text that the AgentOS answered."""

    id: str
    name: str


class FoundComponents(BaseModel):
    """What an AgentOS consists of. `interfaces` are such as `mcp`, `a2a` and `agui`."""

    agno_version: str | None = None
    agents: list[ComponentName] = []
    teams: list[ComponentName] = []
    workflows: list[ComponentName] = []
    interfaces: list[str] = []


class Exposure(BaseModel):
    """A rule that the AgentOS breaks: the requests and statuses that show it, and what to do.

    One rule may be broken by several routes, each an exposure.
    """

    rule: str
    severity: Severity
    evidence: str
    remedy: str


class InspectionReport(BaseModel):
    """The last inspection of the AgentOS at `url`. The most severe findings are first."""

    audience: str
    url: str
    inspected_at: datetime
    components: FoundComponents
    findings: list[Exposure]

    @property
    def rules(self) -> list[str]:
        """The names of the rules that it breaks, in their order."""
        return sorted({each.rule for each in self.findings})


@dataclass(frozen=True, slots=True)
class Component:
    """An agent, a team or a workflow. `name` is what its AgentOS calls it, or its id."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Components:
    """The components of the AgentOS of one audience."""

    audience_id: str
    inspected_at: datetime
    agents: tuple[Component, ...] = ()
    teams: tuple[Component, ...] = ()
    workflows: tuple[Component, ...] = ()

    def of(self, family: str) -> tuple[Component, ...]:
        """The `agents`, `teams` or `workflows`; none for any other family."""
        found: tuple[Component, ...] = getattr(self, family) if family in FAMILIES else ()
        return found

    def has(self, family: str, id_: str) -> bool:
        return any(each.id == id_ for each in self.of(family))


def names_of(inspected: Iterable[Components]) -> dict[tuple[str, str], str]:
    """What components are called, by family and id; the first name of those with the same id."""
    names: dict[tuple[str, str], str] = {}
    for each in inspected:
        for family in FAMILIES:
            for component in each.of(family):
                names.setdefault((family, component.id), component.name)
    return names


def component_of(scope: str) -> tuple[str, str] | None:
    """The family and the id of the component that a scope names; None if it names none."""
    try:
        parts = parse(scope).canonical.split(":")
    except InvalidScope:
        return None
    if len(parts) == _PARTS and parts[0] in FAMILIES and parts[1] != "*":
        return parts[0], parts[1]
    return None


def component_in(path: str) -> tuple[str, str] | None:
    """The family and the id of the component that a request is for; None if it is for none."""
    family, _, rest = path.strip("/").partition("/")
    id_ = unquote(rest.partition("/")[0])
    return (family, id_) if family in FAMILIES and id_ else None


def not_found(scopes: Iterable[str], inspected: Sequence[Components | None]) -> list[str]:
    """The `scopes` that name a component which no AgentOS has of those that were `inspected`.

    None of them if any was not inspected: it may have the component.
    """
    known = [each for each in inspected if each is not None]
    if not known or len(known) < len(inspected):
        return []
    named = ((scope, component_of(scope)) for scope in scopes)
    return [
        scope for scope, names in named if names and not any(each.has(*names) for each in known)
    ]
