"""The answers of AgentOS itself: reads one JSON object a line, writes one a line.

    python decision_oracle.py

It runs under the interpreter that holds the agno to be asked, and needs nothing of this project.
Each case is `[scopes, method, path]`, the path percent-encoded; the answer is `[allowed, ids]`,
`ids` being what a list shows and null elsewhere. Asked are, in the order of a request: the map
(`check_route_scopes`), then what the router that Starlette finds asks of `agno.os.auth`.

`{"operator_routes": {…}}` puts routes of an operator's own before those of agno from then on.
"""

import contextlib
import inspect
import json
import os
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote

os.environ["AGNO_TELEMETRY"] = "false"
sys.path.insert(0, os.fspath(Path(__file__).parent))

from agno.os import auth, scopes
from agno.os.middleware.jwt import JWTMiddleware
from extract import all_routes, calls_of, scope_map
from fastapi import FastAPI
from starlette._utils import get_route_path
from starlette.requests import Request
from starlette.routing import compile_path

with contextlib.redirect_stdout(sys.stderr):
    from agno.db.in_memory import InMemoryDb
    from agno.os import AgentOS

SEES_URL = "get_route_path" not in inspect.getsource(JWTMiddleware)


class DecisionOracle:
    def __init__(self) -> None:
        self.app: FastAPI = AgentOS(db=InMemoryDb(), telemetry=False).get_app()
        self.mappings = {f"{m} {pattern}": required for m, pattern, required, *_ in scope_map()}
        self.routers = [
            (method, compile_path(path)[0], path, asked_by(route))
            for path, route in all_routes(self.app.routes)
            for method in getattr(route, "methods", None) or []
        ]
        self.found: dict[tuple[str, str], Any] = {}

    def answer(self, question: dict[str, Any]) -> Any:
        if "operator_routes" in question:
            self.mappings = question["operator_routes"] | self.mappings
            self.found.clear()
            return None
        return [
            self.decide(held, method, unquote(path)) for held, method, path in question["cases"]
        ]

    def decide(self, held: list[str], method: str, path: str) -> tuple[bool, list[str] | None]:
        allowed, ids = self.after_the_map(held, method, path)
        if path.endswith("/") and path.strip("/"):
            # Starlette redirects the client there.
            there, ids_there = self.decide(held, method, path.rstrip("/"))
            return allowed and there, ids if ids is not None else ids_there
        return allowed, ids

    def after_the_map(
        self, held: list[str], method: str, path: str
    ) -> tuple[bool, list[str] | None]:
        request, mapping, seen, asked = self.look_up(method, path)
        check = scopes.check_route_scopes(held, mapping, method, seen)
        if not check.allowed:
            return False, None
        ids = check.accessible_resource_ids
        request.state.scopes = held
        if method == "GET" and path.rstrip("/") in {"/agents", "/teams", "/workflows"}:
            # The first step of these three lists.
            if ids is not None:
                request.state.accessible_resource_ids = ids
            ids = auth.get_accessible_resources(request, path.strip("/"))
        elif ids is None and path.startswith("/filesystem/") and asked == "files":
            ids = auth.get_accessible_resources(request, "agents")
        if ids is not None and not ids:
            return False, None
        for resource_type, resource_id, action in asked if asked != "files" else []:
            if not auth.check_resource_access(request, resource_id, resource_type, action):
                return False, None
        return True, None if ids is None else sorted(ids)

    def look_up(self, method: str, path: str) -> Any:
        """The part that does not depend on the token, cached."""
        if (method, path) not in self.found:
            self.found[method, path] = self.search(method, path)
        _, mapping, seen, asked = self.found[method, path]
        return Request(self.scope(method, path)), mapping, seen, asked

    def search(self, method: str, path: str) -> Any:
        request = Request(self.scope(method, path))
        seen = request.url.path if SEES_URL else get_route_path(request.scope)
        required = scopes.get_required_scopes_for_route(self.mappings, method, seen)
        # agno looks up the path itself first: passing it the result of its own search saves that.
        mapping = {f"{method} {seen}": required}
        for its_method, regex, template, asks in self.routers:
            match = regex.match(path)
            if its_method == method and match:
                if template.startswith("/filesystem/"):
                    return request, mapping, seen, "files"
                parts = match.groupdict()
                return request, mapping, seen, [(t, parts[p], a) for t, p, a in asks]
        return request, mapping, seen, []

    def scope(self, method: str, path: str) -> dict[str, Any]:
        return {
            "type": "http",
            "app": self.app,
            "method": method,
            "path": path,
            "headers": [(b"host", b"os.example")],
            "query_string": b"",
            "scheme": "http",
            "server": ("os.example", 80),
            "state": {},
        }


def asked_by(route: Any) -> list[tuple[str, str, str]]:
    """What the route's dependencies require: a family, the name of its id, an action."""
    calls = calls_of(route.dependant) if hasattr(route, "dependant") else []
    asked = [
        inspect.getclosurevars(call).nonlocals
        for call in calls
        if re.match(r"require_resource_access\.", call.__qualname__)
    ]
    return [(a["resource_type"], a["resource_id_param"], a["action"]) for a in asked]


def main() -> None:
    with contextlib.redirect_stdout(sys.stderr):
        oracle = DecisionOracle()
    print(json.dumps(version("agno")), flush=True)  # noqa: T201
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            answer = oracle.answer(json.loads(line))
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
