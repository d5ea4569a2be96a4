"""How much is written by hand beside what follows from a declaration. The lists may only shrink."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import issuer.web.console.routes  # noqa: F401 - imports every screen
from issuer.admin.api import RESOURCES
from issuer.cli import program
from issuer.cli.program import imported
from issuer.operations import Operation
from issuer.web.console.screens.resource import ResourceScreen

ROOT = Path(__file__).parents[1]
WEB = ROOT / "issuer" / "web"
_RENDERERS = {
    *("issuer.admin.collection", "issuer.admin.operations"),
    *("issuer.cli.collection", "issuer.cli.operations"),
    *("issuer.web.console.screens.resource", "issuer.web.console.screens.operations"),
}

# Wanted: 15 at most.
ROUTES = {
    # To be declared: keys and inspections.
    *("GET /keys", "GET /keys/{kid}", "POST /keys/rotate", "POST /keys/{kid}/revoke"),
    *("GET /audiences/{id:path}/inspection", "POST /audiences/{id:path}/inspection"),
    # The password is hashed in a pool of its own.
    "PUT /users/{id}/password",
    # About no resource, or about all of them.
    *("GET /audit-events", "GET /status", "GET /verifiers", "POST /usage", "POST /tokens/revoke"),
    *("GET /review", "GET /review/{id}", "GET /scopes", "POST /scopes/lint"),
    *("POST /explain", "POST /preview"),
    *("GET /manifest", "GET /manifest/schema", "POST /manifest/plan", "POST /manifest/apply"),
}
# Wanted: 10 at most.
COMMANDS = {
    # To be declared.
    "audience inspect",
    *("key list", "key revoke", "key rotate"),
    # The private half of a pair goes to a file, or a file or standard input is read.
    *("client key create", "client pin", "client trust explain", "user import"),
    # A workload becomes a trust, and its trusted issuer may be created.
    "client trust add",
    # It shows which secrets belong to the rotation.
    "client rotate status",
    # The password is asked for, and never an argument.
    "user password",
    # About key files and the database, on one machine.
    *("key drill", "key export", "key generate-master", "key rewrap"),
}
# Wanted: 8 at most.
ACTIONS = {
    # To be declared.
    "OneAudienceScreen inspect",
    # The answer waits for keys of others.
    *("OneClientScreen fetch-keys", "OneTrustedIssuerScreen fetch-keys"),
    # Several keys at once; a workload in words becomes a trust.
    *("OneClientScreen add-key", "OneClientScreen add-trust", "OneClientScreen save-trust"),
    # Scopes are picked before they are saved.
    *("OneRoleScreen edit", "OneRoleScreen review"),
}
# What takes nothing away.
ENDS_NOTHING = {"retry_backchannel_logout", "unlock_user"}
_NOUNS = [*program._COMMANDS["Resources"], "audit", "apply", "plan", "export", "token", "review"]
_LINE = re.compile(rf"/admin/v1|\bissuer (?:{'|'.join(_NOUNS)})\b")


def test_routes_of_the_admin_api_by_hand():
    routes: list[Any] = [route for resource in RESOURCES for route in resource.routes]
    by_hand = {
        f"{method} {route.path}"
        for route in routes
        if route.endpoint.__module__ not in _RENDERERS
        for method in route.methods
    }
    assert by_hand == ROUTES
    assert len(ROUTES) <= 22


def test_commands_below_a_resource_by_hand():
    by_hand = {
        name
        for noun in program._COMMANDS["Resources"]
        for name, command in commands_of(imported(noun), noun)
        if command.callback.__module__ not in _RENDERERS
    }
    assert by_hand == COMMANDS
    assert len(COMMANDS) <= 15


def commands_of(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", {})
    if not inner:
        yield name, command
    for word, each in inner.items():
        yield from commands_of(each, f"{name} {word}")


def test_actions_of_the_console_by_hand():
    by_hand = {
        f"{screen.__name__} {do}"
        for screen in screens(ResourceScreen)
        for do, action in getattr(screen, "ACTIONS", {}).items()
        if screen.__module__.startswith("issuer.") and action.__module__ not in _RENDERERS
    }
    assert by_hand == ACTIONS
    assert len(ACTIONS) <= 8


def screens(screen: type[ResourceScreen]) -> Iterator[type[ResourceScreen]]:
    for each in screen.__subclasses__():
        yield each
        yield from screens(each)


def test_no_command_line_and_no_path_of_the_admin_api_is_spelled_in_the_pages():
    """They follow from declarations, or stand in modules that test_shown_commands.py tests."""
    spelled = {
        str(path.relative_to(WEB)): lines
        for path in sorted([*WEB.glob("console/**/*.py"), *WEB.rglob("*.html")])
        if (lines := [*lines_spelled(path)])
    }
    assert spelled == {}


def lines_spelled(path: Path) -> Iterator[str]:
    """Texts with one, tuples that begin with a noun or a verb of a command, and new commands.

    What is looped over are names, and no commands.
    """
    text = path.read_text()
    if path.suffix == ".html":
        yield from _LINE.findall(text)
        return
    first = {*_NOUNS, "issuer", "preview", "explain", "connect", "update", "create"}
    first |= {resource.prefix.strip("/").partition("/")[0] for resource in RESOURCES}
    first |= {"role", "identity", "member", "invite", "secret", "show", "list", "delete"}
    first -= {""}
    tree = ast.parse(text)
    documentation = {ast.get_docstring(each, clean=False) for each in ast.walk(tree) if _has(each)}
    looped = [each.iter for each in ast.walk(tree) if isinstance(each, ast.comprehension | ast.For)]
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str() as value) if value not in documentation:
                yield from _LINE.findall(value)
            case ast.Tuple(elts=[ast.Constant(value=str() as word), _, *_]) if word in first:
                yield from [] if node in looped else [word]
            case ast.Call(func=ast.Name(id="Command" as word), args=[_, *_]):
                yield word


def _has(node: ast.AST) -> bool:
    """Whether it may have a docstring."""
    return isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)


def test_what_ends_something_has_a_question():
    packages = [path.parent.name for path in (ROOT / "issuer").glob("*/operations.py")]
    modules = [import_module(f"issuer.{each}.operations") for each in packages]
    declared = [each for module in modules for each in getattr(module, "OPERATIONS", ())]
    operations = [each for each in declared if isinstance(each, Operation)]
    assert len(operations) > 10
    assert {each.name for each in operations if each.question is None} <= ENDS_NOTHING


def test_a_renderer_reads_from_top_to_bottom():
    for name in sorted(_RENDERERS):
        if name.endswith("operations"):
            path = ROOT / f"{name.replace('.', '/')}.py"
            assert len(path.read_text().splitlines()) <= 250, name
