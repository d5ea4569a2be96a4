"""The scopes of AgentOS as a list to choose from, and a request that each of them allows."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from issuer.catalogue.catalogue import NEWEST, SUPPORTED, Catalogue
from issuer.catalogue.decision import decide
from issuer.scopes import AGENT_OS_ADMIN, InvalidScope, parse

DESCRIPTIONS = {
    AGENT_OS_ADMIN: "Everything, at every AgentOS the token is for.",
    "agents:read": "See agents; with agents:run, their runs as well.",
    "agents:run": "Run agents, continue and cancel their runs, also over A2A and AG-UI.",
    "agents:write": "Nothing yet: AgentOS has no route that changes an agent.",
    "agents:delete": "Nothing yet: AgentOS has no route that deletes an agent.",
    "approvals:read": "See which runs wait for approval.",
    "approvals:write": "Approve or reject, and continue runs that wait for approval.",
    "approvals:delete": "Delete requests for approval.",
    "components:read": "See the agents, teams and workflows kept in the database.",
    "components:write": "Create and change agents, teams and workflows in the database.",
    "components:delete": "Delete and restore agents, teams and workflows in the database.",
    "config:read": "See the configuration: agents, databases, models.",
    "config:write": "Migrate databases.",
    "decisions:read": "Company mode: see the decisions.",
    "decisions:write": "Company mode: record decisions.",
    "evals:read": "See evaluations.",
    "evals:write": "Run and change evaluations.",
    "evals:delete": "Delete evaluations.",
    "filesystem:read": "Browse, read and search the files of agents that may be read or run.",
    "knowledge:read": "See and search knowledge.",
    "knowledge:write": "Add and change knowledge.",
    "knowledge:delete": "Delete knowledge.",
    "learnings:read": "See what agents have learned.",
    "learnings:write": "Add and change what agents have learned.",
    "learnings:delete": "Delete what agents have learned.",
    "memories:read": "See memories of users.",
    "memories:write": "Add, change and condense memories of users.",
    "memories:delete": "Delete memories of users.",
    "metrics:read": "See metrics.",
    "metrics:write": "Recompute metrics.",
    "products:read": "Company mode: see products.",
    "products:write": "Company mode: set up, create and change products.",
    "products:delete": "Company mode: delete and restore products.",
    "projects:read": "Company mode: see projects.",
    "projects:write": "Company mode: create, change and move projects.",
    "projects:delete": "Company mode: delete and restore projects.",
    "registry:read": "See the tools, models and databases that the code offers.",
    "routines:read": "Company mode: see routines; with schedules:read, their runs.",
    "routines:write": "Company mode: with schedules:write, create, change and start routines.",
    "schedules:read": "See schedules and their runs.",
    "schedules:write": "Create, change and start schedules.",
    "schedules:delete": "Delete schedules.",
    "service_accounts:read": "See service accounts.",
    "service_accounts:write": "Create service accounts and their tokens.",
    "service_accounts:delete": "Revoke tokens of service accounts.",
    "sessions:read": "See sessions and their messages.",
    "sessions:write": "Create, rename and change sessions.",
    "sessions:delete": "Delete sessions.",
    "sources:read": "Company mode: see sources.",
    "sources:write": "Company mode: add sources.",
    "sources:delete": "Company mode: delete and restore sources.",
    "tasks:read": "Company mode: see tasks, their runs and what needs attention.",
    "tasks:write": "Company mode: create, change and move tasks; with wiki:read, run them.",
    "tasks:delete": "Company mode: delete and restore tasks.",
    "teams:read": "See teams; with teams:run, their runs as well.",
    "teams:run": "Run teams, continue and cancel their runs, also over A2A.",
    "teams:write": "Nothing yet: AgentOS has no route that changes a team.",
    "teams:delete": "Nothing yet: AgentOS has no route that deletes a team.",
    "traces:read": "See and search traces.",
    "wiki:read": "Company mode: read the wiki.",
    "wiki:write": "Company mode: write the wiki.",
    "workflows:read": "See workflows; with workflows:run, their runs as well.",
    "workflows:run": "Run workflows, continue and cancel their runs, also over A2A.",
    "workflows:write": "Nothing yet: AgentOS has no route that changes a workflow.",
    "workflows:delete": "Nothing yet: AgentOS has no route that deletes a workflow.",
}

# Why a scope may allow more than its name says.
POWERFUL = {
    AGENT_OS_ADMIN: "allows everything at AgentOS",
    "approvals:write": "lets its holder continue runs that wait for another person's approval",
    "components:write": "creates agents with tools and instructions of its holder's choice",
    "config:write": "migrates databases",
    "schedules:write": "runs things later; up to agno 2.9 also those its holder may not run",
    "service_accounts:write": "creates tokens that may expire later than its own",
}
Request = tuple[str, str]


@lru_cache(maxsize=4096)
def example_of(text: str) -> Request | None:
    """A method and a path that the scope alone allows, `*` for any id; None if there is none."""
    try:
        scope = parse(text)
    except InvalidScope:
        return None
    if scope.is_of_issuer:
        return None
    if text == AGENT_OS_ADMIN:
        checks = Catalogue.load(NEWEST).checks
        return next((each.method, each.path) for each in checks if each.scope == text)
    parts = scope.canonical.split(":")
    candidates = _candidates(*parts) if len(parts) > 1 else iter(())
    return next((each for each in candidates if decide([text], *each).allowed), None)


def _candidates(resource: str, resource_id: str, action: str) -> Iterator[Request]:
    """Routes that need a scope: without an id first; of what has ids in scopes, those with one."""
    required = (f"{resource}:{action}",)
    catalogue = Catalogue.load(NEWEST)
    routes = [each for each in catalogue.routes if each.required == required]
    with_id = bool(routes) and catalogue.resources[resource].takes_ids
    for route in sorted(routes, key=lambda each: ("*" in each.pattern) != with_id):
        first, *others = route.pattern.split("*")
        path = "".join([first, *(quote(resource_id, safe="*") + each for each in others)])
        if not decide([], route.method, path).allowed:
            yield route.method, path


@dataclass(frozen=True, slots=True)
class ScopeEntry:
    """A scope without an id, and the AgentOS versions that have it, oldest first.

    `per_resource` is whether it can be narrowed to one id, `powerful` whether it may allow more
    than its name says.
    """

    scope: str
    description: str
    per_resource: bool
    powerful: bool
    versions: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "versions": list(self.versions)}


def scopes(version: str | None = None) -> list[ScopeEntry]:
    """Every scope of this version, or of all known ones; else `UnknownVersion`."""
    names = {AGENT_OS_ADMIN}
    for one in SUPPORTED if version is None else [version]:
        resources = Catalogue.load(one).resources
        names |= {f"{name}:{action}" for name, it in resources.items() for action in it.actions}
    return [_entry(name) for name in sorted(names)]


def versions_with(resource: str, action: str) -> tuple[str, ...]:
    """The versions with a route that requires `resource:action`, oldest first."""
    return tuple(one for one in SUPPORTED if Catalogue.load(one).has(resource, action))


def _entry(name: str) -> ScopeEntry:
    is_admin = name == AGENT_OS_ADMIN
    resource, action = name.split(":")
    versions = SUPPORTED if is_admin else versions_with(resource, action)
    return ScopeEntry(
        scope=name,
        description=DESCRIPTIONS[name],
        per_resource=not is_admin and Catalogue.load(versions[-1]).resources[resource].takes_ids,
        powerful=name in POWERFUL,
        versions=versions,
    )
