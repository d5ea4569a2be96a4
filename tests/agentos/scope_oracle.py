"""Queries agno's own scope matcher over a pipe: one JSON object per line in, one per line out.

    python scope_oracle.py [--company]

It runs under the interpreter that holds the agno to be asked, and imports only that agno's scope
functions and the standard library. What it is asked:

    {"ask": "routes", "ids": […]}                  → [[method, path, required scopes], …]
    {"ask": "openings", "holders": [[scope, …], …]}  → one {"open", "filters", "ids"} a holder
    {"ask": "matches", "pairs": [[held, asked], …]}  → [bool, …]
    {"ask": "openings_by_roles", "defined": {role: [scope, …]}, "named": [role, …], "scopes": […]}
                                                   → [{"open", "filters"}]

`routes` comes first. `open` has a `1` or a `0` for each route; `filters` has the ids that an open
listing is cut down to, by the route's number; `ids` has what `get_accessible_resource_ids` gives
for each family and action. `openings_by_roles` is about a token with `named` in its claim `roles`,
at an AgentOS with `roles_claim` and roles as `defined`, as far as agno accepts their scopes.
"""

import argparse
import contextlib
import importlib.util
import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import agno
from agno.os import scopes as agno_scopes

FAMILIES = ("agents", "teams", "workflows")
ACTIONS = ("read", "run", "write", "delete", None)

# Operators may map routes of their own, also under an agent, also to several scopes; and some
# paths are in no map.
ROUTES_OF_OPERATORS = {
    "GET /agents/*/notes": ["sessions:read"],
    "POST /agents/*/handover": ["agents:run", "teams:run"],
    "POST /support/*/close": ["billing-app:write"],
    "POST /agents/*/exact": ["agents:web:run"],
}
PATHS_IN_NO_MAP = [
    ("GET", "/nowhere"),
    ("POST", "/agents/*/runs/1/resume"),
    ("POST", "/sessions/*/fork"),
]


def scope_mappings(company: bool) -> dict[str, list[str]]:
    """Every route of this agno: AgentOS, A2A, AG-UI, and a few that an operator might add."""
    mappings = dict(ROUTES_OF_OPERATORS)
    mappings |= agno_scopes.get_default_scope_mappings(**({"company": True} if company else {}))
    mappings |= a2a_scope_mappings()
    mappings["POST /agui"] = ["agents:run"]
    return mappings


def concrete(pattern: str, ids: list[str]) -> list[str]:
    """The pattern with every id for its first `*`, and two of them for the rest."""
    if "*" not in pattern:
        return [pattern]
    before, after = pattern.split("*", 1)
    return [before + name + after.replace("*", other) for name in ids for other in ids[:2]]


def a2a_scope_mappings() -> dict[str, list[str]]:
    # By its path: its package requires the a2a-sdk.
    path = Path(agno.__file__).parent / "os" / "interfaces" / "a2a" / "scopes.py"
    spec = importlib.util.spec_from_file_location("agno_a2a_scopes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_a2a_scope_mappings()


class Oracle:
    """Answers for one agno release."""

    def __init__(self, company: bool) -> None:
        self.mappings = scope_mappings(company)
        self.routes: list[tuple[str, str]] = []
        self.required: dict[str, list[str]] = {}

    def answer(self, question: dict) -> list:
        if question["ask"] == "routes":
            return self.lay_out(question["ids"])
        if question["ask"] == "openings":
            return [self.openings(holder) for holder in question["holders"]]
        if question["ask"] == "openings_by_roles":
            return [self.openings_by_roles(**{k: v for k, v in question.items() if k != "ask"})]
        return [self.matches(held, asked) for held, asked in question["pairs"]]

    def lay_out(self, ids: list[str]) -> list:
        """Choose concrete paths for every route; the answer has the scopes each requires."""
        patterns = [tuple(pattern.split(" ", 1)) for pattern in self.mappings] + PATHS_IN_NO_MAP
        self.routes = sorted(
            {(method, path) for method, pattern in patterns for path in concrete(pattern, ids)}
        )
        # agno looks for an exact entry before it tries patterns. Passing only the entry that its
        # own search found saves that search for every set of scopes.
        self.required = {
            f"{method} {path}": agno_scopes.get_required_scopes_for_route(
                self.mappings, method, path
            )
            for method, path in self.routes
        }
        return [[*route, self.required[" ".join(route)]] for route in self.routes]

    def openings(self, holder: list[str]) -> dict:
        checks = [
            agno_scopes.check_route_scopes(holder, self.required, method, path)
            for method, path in self.routes
        ]
        return {
            **self.summary(checks),
            "ids": {
                f"{family}:{action}": sorted(
                    agno_scopes.get_accessible_resource_ids(holder, family, action=action)
                )
                for family in FAMILIES
                for action in ACTIONS
            },
        }

    def openings_by_roles(self, defined: dict, named: list, scopes: list) -> dict:
        try:
            from agno.os.authz._scope_policy import scope_to_resource_action  # noqa: PLC0415
            from agno.os.authz.engine import EngineAuthorizationProvider  # noqa: PLC0415
            from agno.os.authz.native_engine import NativePolicyEngine  # noqa: PLC0415
            from agno.os.middleware.jwt import AuthMiddleware  # noqa: PLC0415
        except ImportError:  # before 3.1: there is no roles_claim, scopes decide
            return self.openings(scopes)

        class EngineInMemory(NativePolicyEngine):
            """agno's decisions on roles that lie in memory: its database takes 1 ms for each."""

            rows: tuple = ()

            def _direct_roles(self, _: str) -> set:
                return set()

            def _subject_closure(self, _: str) -> set:
                return set()

            def _policies_for(self, principals: set) -> list:
                return [row for row in self.rows if row[0] in principals]

        engine = EngineInMemory()
        for role, held in defined.items():
            for scope in held:
                with contextlib.suppress(ValueError):  # a scope that agno refuses in a role
                    engine.rows += ((role, *scope_to_resource_action(scope), "allow"),)
        provider = EngineAuthorizationProvider(engine, roles_claim="roles")
        app = SimpleNamespace(state=SimpleNamespace(authorization_provider=provider))
        state = SimpleNamespace(user_id="alice", claims={"roles": named, "scopes": scopes})
        request = SimpleNamespace(app=app, state=state)
        gate = SimpleNamespace(admin_scope="agent_os:admin")
        return self.summary(
            [
                AuthMiddleware._authorize_route(gate, request, scopes, self.required, *route)
                for route in self.routes
            ]
        )

    @staticmethod
    def summary(checks: list) -> dict:
        return {
            "open": "".join("01"[check.allowed] for check in checks),
            "filters": {
                str(index): sorted(check.accessible_resource_ids)
                for index, check in enumerate(checks)
                if check.accessible_resource_ids is not None
            },
        }

    def matches(self, held: str, asked: str) -> bool:
        requested = agno_scopes.parse_scope(asked)
        return agno_scopes.matches_scope(
            agno_scopes.parse_scope(held), requested, resource_id=requested.resource_id
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--company", action="store_true")
    oracle = Oracle(parser.parse_args().company)
    logging.disable()  # agno logs its decisions to standard output
    for line in sys.stdin:
        print(json.dumps(oracle.answer(json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
