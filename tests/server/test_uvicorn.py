"""The members of uvicorn that issuer/server/ uses, most of them private: none may be missing.

After a change of the pinned minor version, read the new code of each before the pin is moved.
"""

import ast
import inspect
import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "issuer/server" / name for name in ("connection.py", "framing.py")]

USED = {
    HttpToolsProtocol: {
        *("connection_made", "connection_lost", "data_received", "eof_received"),
        *("on_message_begin", "on_header", "on_headers_complete", "on_body", "on_message_complete"),
        *("on_response_complete", "send_400_response", "_start_asgi_task"),
        *("_unset_keepalive_if_required", "timeout_keep_alive", "timeout_keep_alive_task"),
        *("client", "connections", "cycle", "expect_100_continue", "flow", "headers", "loop"),
        *("parser", "pipeline", "scope", "server_state", "transport"),
    },
    RequestResponseCycle: {
        *("body", "keep_alive", "response_complete", "response_started", "scope"),
    },
    FlowControl: {"pause_reading", "read_paused", "resume_reading", "write_paused"},
    ServerState: {"total_requests"},
}
PARENTS = {"_Flow": FlowControl}
REACHED_BY = {
    "self.cycle": RequestResponseCycle,
    "self.flow": FlowControl,
    "self.server_state": ServerState,
}


def test_the_minor_version_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (pin,) = (each for each in project["dependencies"] if each.startswith("uvicorn"))
    major, minor = map(int, version("uvicorn").split(".")[:2])
    assert pin == f"uvicorn>={major}.{minor},<{major}.{minor + 1}"


def test_every_member_that_is_used_exists():
    assert {each.__name__: names - members(each) for each, names in USED.items()} == {
        each.__name__: set() for each in USED
    }
    assert "startup" in members(uvicorn.Server)


def test_every_member_that_is_used_is_named_here():
    found: dict[type, set[str]] = {each: set() for each in USED}
    nodes = (node for path in FILES for node in ast.walk(ast.parse(path.read_text())))
    for used_by in (node for node in nodes if isinstance(node, ast.ClassDef)):
        reached_by = {**REACHED_BY, "self": PARENTS.get(used_by.name, HttpToolsProtocol)}
        for node in ast.walk(used_by):
            if isinstance(node, ast.FunctionDef):
                found[reached_by["self"]].add(node.name)
            elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in reached_by:
                found[reached_by[ast.unparse(node.value)]].add(node.attr)
    assert {each: names & members(each) - {"__init__"} for each, names in found.items()} == USED


def members(of: type) -> set[str]:
    """Its methods, and what it assigns to `self`."""
    assigned = re.findall(r"\bself\.(\w+)", inspect.getsource(of))
    return {*vars(of), *assigned, *getattr(of, "__dataclass_fields__", ())}
