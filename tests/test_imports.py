"""Imports go downwards only, as in the diagram of docs/architecture.md."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "issuer"

FOUNDATION = {
    "algorithms",
    "background",
    "clock",
    "database",
    "errors",
    "fields",
    "files",
    "http",
    "scopes",
    "settings",
    "telemetry",
    "vocabulary",
}
DOMAIN = {
    "audit": set(),
    "revocations": set(),
    "catalogue": set(),
    "authority": {"audit", "revocations"},
    "resources": {"audit", "authority", "catalogue", "revocations"},
    "audiences": {"resources", "authority"},
    "roles": {"resources", "audit", "authority", "audiences"},
    "users": {"resources", "audit", "authority", "roles", "directory", "revocations"},
    "directory": set(),
    "federation": set(),
    "trusted_issuers": {"resources", "authority", "federation"},
    "clients": {
        "resources",
        "authority",
        "audiences",
        "directory",
        "federation",
        "trusted_issuers",
    },
    "keys": {"audit"},
    "verifiers": {"keys"},
    "rate_limits": set(),
    "manifest": {
        "catalogue",
        "resources",
        "authority",
        "audiences",
        "roles",
        "users",
        "clients",
        "directory",
        "trusted_issuers",
    },
    "tokens": {"audit", "authority", "keys", "directory", "revocations"},
    "refresh_tokens": {"audit", "directory", "revocations", "tokens"},
    "status": {
        "audit",
        "authority",
        "clients",
        "directory",
        "federation",
        "keys",
        "revocations",
        "sign_in",
        "verifiers",
    },
    "sign_in": {
        "audit",
        "authority",
        "directory",
        "keys",
        "refresh_tokens",
        "resources",
        "revocations",
        "tokens",
        "users",
    },
}
BETWEEN = {
    "backup",
    "composition",
    "explain",
    "provisioning",
    "rotation_drill",
}
INTERFACES = {"oauth", "admin", "cli", "web"}
ONLY_IN = {
    "fastapi": ["server/admin_and_pages.py", "server/openapi.py", "admin/", "agentos/fastapi.py"],
    "jinja2": ["web/"],
    "markupsafe": ["web/"],
    "starlette": ["server/", "http/", "oauth/", "admin/", "web/"],
    "uvicorn": ["server/"],
    "httptools": ["server/"],
    "authlib": ["oauth/authorization_server.py"],
    "sqlalchemy": ["database/", "store.py"],
    "alembic": ["database/"],
    "joserfc": ["keys/", "tokens/"],
    "argon2": ["users/passwords.py"],
    "yaml": ["manifest/parsing.py"],
    "typer": ["cli/"],
    "pyrage": ["backup/encryption.py"],
    "pyotp": ["sign_in/second_factor.py"],
    "webauthn": ["sign_in/challenges.py", "sign_in/passkeys.py"],
    "redis": ["rate_limits/shared.py"],
    "opentelemetry": ["telemetry/otel/"],
    "prometheus_client": [
        "telemetry/prometheus.py",
        "telemetry/otel/metrics.py",
        "status/metrics.py",
    ],
    "httpx": [
        "agentos/",
        "audit/push/",
        "cli/",
        "client/",
        "federation/pinning.py",
        "rotation_drill/",
    ],
}

FILES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def test_a_file_imports_only_packages_below_it():
    upward = {file: packages for file in FILES if (packages := packages_above(file))}
    assert upward == {}


def packages_above(file: str) -> set[str]:
    """Those that it imports, though they are not below its own."""
    here = package(file.removesuffix(".py").replace("/", "."))
    ours = {package(name.removeprefix("issuer.")) for name in imports(file) if "issuer." in name}
    return ours - {here} - below(here)


def test_a_library_is_imported_only_where_it_belongs():
    misplaced = {
        (file, library)
        for file in FILES
        for library in {name.split(".")[0] for name in imports(file)} & ONLY_IN.keys()
        if not any(file.startswith(place) or file.endswith(place) for place in ONLY_IN[library])
    }
    assert misplaced == set()


def test_only_what_starts_a_process_holds_all_parts():
    holders = {file for file in FILES if "Composition" in names_imported(file)}
    assert {file for file in holders if not file.startswith("composition/")} == {"server/app.py"}


def test_no_modules_import_each_other_in_a_circle():
    """Also not inside of functions, nor for types alone."""
    imported = {file: set(modules_imported(file)) for file in FILES}
    while outside := {
        file
        for file, others in imported.items()
        if not others & imported.keys() or not any(file in each for each in imported.values())
    }:
        for file in outside:
            del imported[file]
    assert {file: others & imported.keys() for file, others in imported.items()} == {}


def modules_imported(file: str) -> Iterator[str]:
    """The files that it names. A package that hands on names is taken for these modules."""
    for node in nodes_of(file):
        for name in (a.name for a in node.names):
            base = node.module or "" if isinstance(node, ast.ImportFrom) else name
            path = base.removeprefix("issuer").strip(".").replace(".", "/")
            for module in (f"{path}/{name}.py", f"{path}.py"):
                if module in FILES and module != file:
                    yield module


def test_no_two_classes_have_the_same_name():
    found: dict[str, list[str]] = {}
    for folder in ("issuer", "tests", "benchmarks", "examples"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    place = f"{path.relative_to(ROOT)}:{node.lineno}"
                    found.setdefault(node.name, []).append(place)
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def package(module: str) -> str:
    return module.partition(".")[0]


def below(here: str) -> set[str]:
    if here in {"agentos", "client"}:
        return set()
    if here in FOUNDATION:
        return FOUNDATION
    if here in DOMAIN:
        verifier = {"agentos"} if here == "federation" else set()
        return FOUNDATION | DOMAIN[here] | verifier
    domain = FOUNDATION | DOMAIN.keys() | BETWEEN
    more = {
        "server": INTERFACES - {"cli"},
        "cli": {"agentos", "client", "server"},
        "__main__": {"cli"},
    }
    return domain | more.get(here, set())


def names_imported(file: str) -> set[str]:
    nodes = nodes_of(file)
    return {each.name for node in nodes if isinstance(node, ast.ImportFrom) for each in node.names}


@cache
def nodes_of(file: str) -> list[ast.Import | ast.ImportFrom]:
    """Its imports, also those in functions."""
    tree = ast.walk(ast.parse((SOURCE / file).read_text()))
    return [node for node in tree if isinstance(node, ast.Import | ast.ImportFrom)]


def imports(file: str) -> Iterator[str]:
    for node in nodes_of(file):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif node.module:
            if node.module == "issuer":
                yield from (
                    f"issuer.{a.name}"
                    for a in node.names
                    if (SOURCE / a.name).exists() or (SOURCE / f"{a.name}.py").exists()
                )
            else:
                yield node.module


@cache
def modules_of_the_app() -> set[str]:
    """What a process has imported when it has imported the server."""
    program = "import sys, issuer.server.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return set(loaded.stdout.decode().split())


def test_what_only_people_need_is_imported_when_it_is_used():
    """A server for machines alone does not pay for it in memory."""
    modules = modules_of_the_app()
    people = {"fastapi", "issuer.admin", "issuer.web", "jinja2", "pyotp", "segno", "webauthn"}
    assert modules.isdisjoint(people)


def test_what_only_other_databases_need_is_imported_with_the_first_connection():
    """They are extras: without them a server with SQLite starts."""
    assert modules_of_the_app().isdisjoint({"psycopg", "redis", "alembic"})


def test_what_only_assertions_need_is_imported_with_the_first_one():
    """A server whose clients have secrets does not pay for it."""
    assert modules_of_the_app().isdisjoint({"jwt", "httpx"})


def test_what_sends_telemetry_is_imported_where_it_is_wanted():
    modules = modules_of_the_app()
    assert "issuer.telemetry.otel.environment" in modules
    assert modules.isdisjoint({"opentelemetry", "google.protobuf", "prometheus_client"})
