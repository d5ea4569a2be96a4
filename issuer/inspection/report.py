"""What an inspection of an AgentOS found."""

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel


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
