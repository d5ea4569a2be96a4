"""Scopes as an operator might write them, misspelled ones included."""

from collections.abc import Iterable

from hypothesis import strategies as st

from issuer.scopes import InvalidScope, ScopeNotCovered, narrow, parse

FAMILIES = ["agents", "teams", "workflows"]
DATA = ["sessions", "memories", "learnings", "knowledge", "metrics", "evals", "traces"]
RUNNING = ["config", "system", "registry", "components", "filesystem", "service_accounts"]
PLANNING = ["schedules", "approvals", "routines", "decisions", "wiki", "sources"]
COMPANY = ["products", "projects", "tasks"]
RESOURCES = [*FAMILIES, *DATA, *RUNNING, *PLANNING, *COMPANY, "billing-app"]
ACTIONS = ["read", "run", "write", "delete"]
IDS = ["web", "billing", "*", "WEB", "<resource-id>", "agents", "runs", "usr+x@y"]
ADMIN = "agent_os:admin"
NEAR_MISSES = [
    "agent_os:*:admin",
    "agent_os:web:admin",
    "agent_os:read",
    "agents:admin",
    "agents:*",
    "agents:*:*",
    "*:run",
    "*:*:run",
    "*",
    "admin",
    "agents",
    "run",
    "custom",
    "Agents:run",
    "agents:RUN",
    "systems:read",
]
ISSUER = ["issuer:admin", "issuer:introspect", "issuer:clients:read", "issuer:clients:write"]

# Every scope made of the words above; the exhaustive tests use all pairs of them.
EVERY_SCOPE = sorted(
    {f"{resource}:{action}" for resource in RESOURCES for action in ACTIONS}
    | {
        f"{resource}:{name}:{action}"
        for resource in ("agents", "teams", "system", "billing-app")
        for name in IDS[:5]
        for action in ACTIONS
    }
    | {ADMIN, *NEAR_MISSES}
)

_resources = st.sampled_from(FAMILIES * 4 + RESOURCES)
_actions = st.sampled_from(ACTIONS)
_ids = st.sampled_from(IDS)
wide = st.builds("{}:{}".format, _resources, _actions)
narrow_ones = st.builds("{}:{}:{}".format, _resources, _ids, _actions)
# Three parts of few characters, so that two of them often overlap.
_parts = st.text("ab*<", min_size=1, max_size=2)
invented = st.lists(_parts, min_size=1, max_size=3).map(":".join)

agentos_scopes = st.one_of(
    wide, wide, narrow_ones, narrow_ones, invented, st.sampled_from([*NEAR_MISSES, ADMIN])
)
scopes = st.one_of(agentos_scopes, agentos_scopes, st.sampled_from(ISSUER))
held_sets = st.frozensets(agentos_scopes, max_size=6)


@st.composite
def held_and_narrowed(draw: st.DrawFn) -> tuple[frozenset[str], frozenset[str]]:
    """Scopes that are held, and scopes that `narrow` grants to their holder."""
    held, asked = draw(two_related_sets())
    return held, granted(held, asked)


@st.composite
def two_related_sets(draw: st.DrawFn) -> tuple[frozenset[str], frozenset[str]]:
    """Scopes, and other scopes, many of the same resources."""
    some = draw(held_sets)
    related = st.sampled_from(sorted(some)).flatmap(narrower) if some else agentos_scopes
    return some, draw(st.frozensets(st.one_of(agentos_scopes, related, related), max_size=6))


def narrower(scope: str) -> st.SearchStrategy[str]:
    """Other forms of this scope or of a part of it; `narrow` decides."""
    parts = scope.split(":")
    if scope == ADMIN or len(parts) == 1:
        return st.just(scope)
    names = st.sampled_from([*parts[1:-1], *IDS])
    same = st.sampled_from([scope, f"{parts[0]}:{parts[-1]}", f"{parts[0]}:*:{parts[-1]}"])
    return st.one_of(same, st.builds(f"{parts[0]}:{{}}:{parts[-1]}".format, names))


def granted(held: Iterable[str], asked: Iterable[str]) -> frozenset[str]:
    """The result of `narrow` without the scopes that it refuses."""
    asked = list(asked)
    while True:
        try:
            return narrow(held, asked)
        except ScopeNotCovered as refused:
            asked = [scope for scope in asked if scope != refused.scope]


def is_scope(text: str) -> bool:
    try:
        parse(text)
    except InvalidScope:
        return False
    return True
