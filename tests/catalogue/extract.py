"""Extracts the scopes and routes of the installed agno into a data file of the catalogue.

    /path/to/python/with/agno-3.1 -P tests/catalogue/extract.py issuer/catalogue/data

writes `agno-3.1.json` there. Run it in an interpreter with `agno[os]` and `PyJWT[crypto]`, once for
each minor version, with its newest patch release. It imports nothing of this project. A new version
of agno is a new file, which the catalogue finds. Its members:

- `agno`: the exact version;
- `rules`: two differences between versions of agno, found by testing agno;
- `public`: paths that need no token;
- `routes`: the scope map in agno's order, since the first match counts. Routes with a fourth member
  exist only with that option: `company` mode, the `a2a` or the `agui` interface;
- `checks`: scopes that a router checks after the map. A `{name}` stands for that part of the path;
  one that is not in the path, for any id: the list is filtered by the ids held;
- `unguarded`: routes that require a valid token and no scope, since neither names them;
- `resources`: derived from the routes.
"""

import ast
import contextlib
import fnmatch
import importlib
import importlib.util
import inspect
import json
import os
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ["AGNO_TELEMETRY"] = "false"

import agno
from agno.db.in_memory import InMemoryDb
from agno.os import AgentOS, scopes
from agno.os.middleware.jwt import JWTMiddleware

INTERFACES = Path(agno.__file__).parent / "os" / "interfaces"
READING_AND_RUNNING = "agents:{agent_id}:read"  # what the filesystem's router checks


def extract() -> dict[str, Any]:
    routes = scope_map()
    return {
        "agno": version("agno"),
        "rules": {
            "rewrites_every_family": rewrites_every_family(),
            "sees_url": sees_url(),
        },
        "public": JWTMiddleware._get_default_excluded_routes(None),
        "routes": routes,
        "checks": checks(),
        "unguarded": unguarded(routes),
        "resources": resources(routes),
    }


# rules


def rewrites_every_family() -> bool:
    """Whether `sessions:read`, required under /agents/web, is read as `agents:web:read`."""
    return scopes.has_required_scopes(["agents:web:read"], ["sessions:read"], "agents", "web")


def sees_url() -> bool:
    """Whether the map is matched with the path of the URL instead of the path of the router."""
    return "path = request.url.path" in inspect.getsource(JWTMiddleware)


# routes


def scope_map() -> list[list[Any]]:
    """The map as AgentOS builds it: its own, company mode, then the interfaces."""
    default = scopes.get_default_scope_mappings()
    whole = dict(default)
    parts = {"company": company_map(), "a2a": a2a_map(), "agui": agui_map()}
    switched_by: dict[str, str] = {}
    for part, mappings in parts.items():
        switched_by |= {route: part for route in mappings if route not in whole}
        whole |= mappings
    return [
        [*route.split(" ", 1), required, *filter(None, [switched_by.get(route)])]
        for route, required in whole.items()
    ]


def company_map() -> dict[str, list[str]]:
    if "company" not in inspect.signature(scopes.get_default_scope_mappings).parameters:
        return {}
    return scopes.get_default_scope_mappings(company=True)


def a2a_map() -> dict[str, list[str]]:
    # By its path: the package around this pure module requires the a2a-sdk.
    spec = importlib.util.spec_from_file_location("a2a_scopes", INTERFACES / "a2a" / "scopes.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_a2a_scope_mappings()


def agui_map() -> dict[str, list[str]]:
    # By its source: the module requires the ag-ui SDK, this one method does not.
    tree = ast.parse((INTERFACES / "agui" / "agui.py").read_text())
    method = next(
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.name == "get_scope_mappings"
    )
    names: dict[str, Any] = {}
    exec(compile(ast.Module([method], []), "agui.py", "exec"), names)
    interface = type("AGUI", (), {"prefix": "", "agent": object(), "team": None})()
    return names["get_scope_mappings"](interface)


# checks


def checks() -> list[list[str]]:
    """Every route whose router checks a scope itself, in the order of the routers."""
    app = AgentOS(db=InMemoryDb(), telemetry=False).get_app()
    return [
        [method, path, check]
        for path, route in all_routes([*app.routes, *routes_of_administration()])
        for method in sorted(getattr(route, "methods", None) or [])
        for check in checks_of(path, route)
    ]


def all_routes(routes: list[Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each route with its full path; newer versions of FastAPI nest routers."""
    for route in routes:
        if hasattr(route, "original_router"):
            inner = prefix + route.include_context.prefix
            yield from all_routes(route.original_router.routes, inner)
        elif hasattr(route, "path"):
            yield prefix + route.path, route


def unguarded(named: list[list[Any]]) -> list[list[str]]:
    """Every route that neither the map nor a router checks."""
    app = AgentOS(db=InMemoryDb(), telemetry=False).get_app()
    public = JWTMiddleware._get_default_excluded_routes(None)
    return [
        [method, path]
        for path, route in all_routes(app.routes)
        for method in sorted(getattr(route, "methods", None) or [])
        if method not in {"HEAD", "OPTIONS"} and path not in public and not path.startswith("/docs")
        if not any(
            method == known and fnmatch.fnmatchcase(re.sub(r"{.+?}", "x", path), pattern)
            for known, pattern, *_ in named
        )
        if not list(checks_of(path, route))
    ]


def routes_of_administration() -> Iterator[Any]:
    """Routers that are mounted only if a queue, roles or a directory is configured."""
    for module, factory in [
        ("agno.os.routers.job_queue.router", "get_queue_router"),
        ("agno.os.authz.admin_router", "get_roles_router"),
        ("agno.os.authz.admin_router", "get_users_router"),
    ]:
        with contextlib.suppress(ModuleNotFoundError):
            yield from getattr(importlib.import_module(module), factory)(None).routes


def checks_of(path: str, route: Any) -> Iterator[str]:
    if path.startswith("/filesystem/"):
        yield READING_AND_RUNNING
    if not hasattr(route, "dependant"):
        return
    calls = list(dict.fromkeys(calls_of(route.dependant)))
    for call in calls:
        if call.__qualname__.startswith("require_resource_access."):
            asked = inspect.getclosurevars(call).nonlocals
            yield "{resource_type}:{{{resource_id_param}}}:{action}".format(**asked)
    if any(call.__name__ in {"_require_queue_admin", "require_admin"} for call in calls):
        yield scopes.AgentOSScope.ADMIN.value


def calls_of(dependant: Any) -> Iterator[Any]:
    for dependency in dependant.dependencies:
        if hasattr(dependency.call, "__qualname__"):
            yield dependency.call
        yield from calls_of(dependency)


# resources


def resources(routes: list[list[Any]]) -> dict[str, Any]:
    """The resources named in scopes, in alphabetical order."""
    found: dict[str, Any] = {}
    for _, _, required, *switched_by in routes:
        for scope in required:
            resource, action = scope.split(":")
            known = found.setdefault(resource, {"actions": set(), "ids": takes_ids(resource)})
            known["actions"].add(action)
            known.setdefault("switches", set()).add(*(switched_by or [""]))
    return {
        name: {
            "actions": sorted(known["actions"]),
            "ids": known["ids"],
            "company_only": known["switches"] == {"company"},
        }
        for name, known in sorted(found.items())
    }


def takes_ids(resource: str) -> bool:
    return scopes.get_resource_context_from_path(f"/{resource}/any") == (resource, "any")


# the file


def as_text(extracted: dict[str, Any]) -> str:
    """JSON with one route a line, for readable diffs between versions."""
    members = ",\n".join(
        f" {json.dumps(name)}: {one_a_line(value)}" for name, value in extracted.items()
    )
    return f"{{\n{members}\n}}\n"


def one_a_line(value: Any) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(f"  {json.dumps(item)}" for item in value) + "\n ]"
    if isinstance(value, dict):
        items = (f"  {json.dumps(name)}: {json.dumps(item)}" for name, item in value.items())
        return "{\n" + ",\n".join(items) + "\n }"
    return json.dumps(value)


if __name__ == "__main__":
    minor = ".".join(version("agno").split(".")[:2])
    (Path(sys.argv[1]) / f"agno-{minor}.json").write_text(as_text(extract()))
