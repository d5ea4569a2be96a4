"""Imports go downwards only, as in the diagram of docs/architecture.md."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.journeys.running_issuer import RunningIssuer

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "issuer"
# Of an extra: whoever has not installed it imports the module all the same.
_SAVES = re.compile(r"PLC0415 - ([1-9]\d*(\.\d)? MB|an extra|for (people|administrators)|with .+)$")

FOUNDATION = {
    "algorithms",
    "background",
    "certificates",
    "clock",
    "database",
    "errors",
    "fields",
    "files",
    "http",
    "languages",
    "scopes",
    "settings",
    "telemetry",
    "values",
    "vocabulary",
}
DOMAIN = {
    "audit": set(),
    "deliveries": {"audit", "federation", "resources"},
    "revocations": {"deliveries"},
    "catalogue": set(),
    "authority": {"audit", "revocations"},
    "resources": {"audit", "authority", "catalogue", "revocations"},
    "operations": {"resources"},
    "audiences": {"resources", "authority"},
    "roles": {
        "audiences",
        "audit",
        "authority",
        "directory",
        "operations",
        "resources",
        "revocations",
    },
    "groups": {"authority", "directory", "operations", "resources", "roles"},
    "users": {
        "audit",
        "authority",
        "directory",
        "operations",
        "resources",
        "revocations",
        "roles",
    },
    "directory": set(),
    "federation": set(),
    "trusted_issuers": {"resources", "authority", "federation", "operations", "roles", "sign_in"},
    "clients": {
        "resources",
        "authority",
        "audiences",
        "deliveries",
        "directory",
        "federation",
        "operations",
        "roles",
        "trusted_issuers",
    },
    "dpop": {"audit", "clients"},
    "keys": {"audit"},
    "verifiers": {"keys"},
    "usage": {"directory"},
    "review": {
        "audiences",
        "clients",
        "manifest",
        "resources",
        "roles",
        "usage",
        "users",
    },
    "rate_limits": set(),
    "mail": {"audit"},
    "manifest": {
        "catalogue",
        "resources",
        "authority",
        "audiences",
        "roles",
        "users",
        "clients",
        "directory",
        "groups",
        "trusted_issuers",
    },
    "inspection": {
        "audiences",
        "catalogue",
        "directory",
        "keys",
        "resources",
        "roles",
        "tokens",
        "verifiers",
    },
    "tokens": {"audit", "authority", "keys", "directory", "revocations"},
    "refresh_tokens": {"audit", "directory", "revocations", "tokens"},
    "token_exchange": {
        "audit",
        "directory",
        "operations",
        "refresh_tokens",
        "resources",
        "revocations",
        "sign_in",
        "tokens",
        "users",
    },
    "status": {
        "audiences",
        "audit",
        "authority",
        "catalogue",
        "clients",
        "deliveries",
        "directory",
        "federation",
        "inspection",
        "keys",
        "mail",
        "review",
        "revocations",
        "roles",
        "sign_in",
        "trusted_issuers",
        "usage",
        "verifiers",
    },
    "sign_in": {
        "audit",
        "authority",
        "deliveries",
        "directory",
        "federation",
        "keys",
        "mail",
        "operations",
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
    "fastapi": ["server/admin_and_pages.py", "admin/", "agentos/fastapi.py"],
    "jinja2": ["web/"],
    "markupsafe": ["web/"],
    "starlette": ["server/", "http/", "oauth/", "admin/", "web/"],
    "uvicorn": ["server/"],
    "httptools": ["server/"],
    "authlib": ["oauth/authorization_server.py", "federation/provider.py"],
    "sqlalchemy": ["database/", "store.py"],
    "alembic": ["database/"],
    "joserfc": ["dpop/", "keys/", "tokens/"],
    "argon2": ["users/passwords.py"],
    "yaml": ["manifest/parsing.py"],
    "typer": ["cli/"],
    "scim2_models": ["admin/scim/"],
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
        "certificates.py",
        "cli/",
        "client/",
        "federation/pinning.py",
        "inspection/probing.py",
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


# All optional packages are installed where this runs. What a process does not use, it neither waits
# for nor holds in memory; a package stands for all that it contains.
OF_PEOPLE = "fastapi issuer.admin issuer.web jinja2 yaml pyotp segno webauthn scim2_models lark"
OF_ADMINISTRATORS = "starlette.applications issuer.explain issuer.inspection issuer.review"
OF_ADMINISTRATORS += " issuer.usage issuer.catalogue issuer.status.report issuer.users.provisioned"
OF_ADMINISTRATORS += " issuer.mail.mailer issuer.audit.push issuer.audit.verification"
OF_EXTRAS = "psycopg redis opentelemetry prometheus_client google.protobuf"
OF_OTHERS = "alembic httpx jwt rich pygments issuer.manifest sqlalchemy.dialects.postgresql"
OF_SERVERS = "starlette anyio uvicorn uvloop httptools authlib issuer.oauth issuer.server"
PROGRAM = [sys.executable, "-P", "-X", "importtime", "-m", "issuer"]
NEVER_USED = {
    ("serve",): f"{OF_PEOPLE} {OF_ADMINISTRATORS} {OF_EXTRAS} {OF_OTHERS}",
    ("--help",): "sqlalchemy pydantic cryptography asyncio httpx issuer.settings issuer.database",
    ("client", "list", "--json"): f"{OF_SERVERS} {OF_PEOPLE} {OF_EXTRAS} {OF_OTHERS}",
    ("key", "list", "--json"): f"{OF_SERVERS} {OF_PEOPLE} {OF_EXTRAS} {OF_OTHERS}",
    ("health",): f"sqlalchemy cryptography joserfc issuer.database {OF_PEOPLE}",
}


def test_a_process_imports_only_what_it_uses(tmp_path: Path):
    with RunningIssuer(tmp_path, program=PROGRAM, signing_algorithms="ES256") as issuer:
        client = issuer.deployment.client("ci-bot", scopes=["agents:run"])
        assert issuer.token_endpoint.client_credentials(client).status == 200
        printed = {
            command: subprocess.run(
                [*PROGRAM, *command],
                env=issuer.environment,
                capture_output=True,
                text=True,
                check=True,
            ).stderr
            for command in NEVER_USED
            if command != ("serve",)
        }
    printed["serve",] = issuer.log
    for command, unwanted in NEVER_USED.items():
        found = modules_in(printed[command])
        assert "issuer.cli" in found
        assert {
            each
            for each in unwanted.split()
            if any(f"{module}.".startswith(f"{each}.") for module in found)
        } == set(), command


def modules_in(importtime: str) -> set[str]:
    """What was imported, as `-X importtime` says."""
    lines = (line for line in importtime.splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.slow
def test_workers_share_what_their_parent_has_imported(tmp_path: Path):
    with RunningIssuer(tmp_path, workers=2, program=PROGRAM) as issuer:
        assert issuer.http.get("/").status_code == 200
    names = [line.rpartition("|")[2].strip() for line in issuer.log.splitlines()]
    for module in ("issuer.server.app", "issuer.web.routes", "fastapi", "sqlalchemy"):
        assert names.count(module) == 1


def test_an_interface_reaches_through_no_parts():
    """It is handed the objects that it uses, and not groups of them."""
    groups = "factors|foundation|keys|mail|people|tokens"
    chain = re.compile(rf"\._?parts\.({groups})\.\w+")
    reaching = {
        file: found
        for file in FILES
        if file.partition("/")[0] in {*INTERFACES, "server"}
        and (found := chain.search((SOURCE / file).read_text()))
    }
    assert reaching == {}


def test_what_is_imported_within_a_function_saves_a_megabyte():
    """Private memory, measured when the line was written.

    What is for people and administrators saves 2.6 MB together, in a server for machines.
    """
    unexplained = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCE.rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "PLC0415" in line and not _SAVES.search(line)
    ]
    assert unexplained == []
