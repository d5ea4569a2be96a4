"""The names in the answers of an AgentOS: text that anybody may have written."""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from issuer.fields.ids import is_principal_id
from issuer.fields.text import is_storable
from issuer.inspection.components import FAMILIES
from issuer.inspection.report import ComponentName, FoundComponents

MCP = "mcp"
_MOST = 1_000  # of a kind
_LONGEST = 255
# No escapes, which may stand for dots, and no segment that a client or a proxy resolves: an AgentOS
# must not steer requests to other paths of its origin (RFC 3986 §5.2.4).
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?")
_DOTS = {".", ".."}


def components_in(info: Mapping[str, Any], config: Mapping[str, Any]) -> FoundComponents:
    """What `/info` and `/config` of an AgentOS say. Of each kind the first thousand."""
    found = {
        kind: [_name_of(id_, each.get("name")) for id_, each in _with_text(config.get(kind), "id")]
        for kind in FAMILIES
    }
    interfaces = [name for name, _ in _with_text(config.get("interfaces"), "type")]
    if mcp_path(info) is not None:
        interfaces.append(MCP)
    return FoundComponents(
        agno_version=_text(info.get("agno_version")),
        interfaces=list(dict.fromkeys(interfaces)),
        **found,
    )


def mcp_path(info: Mapping[str, Any]) -> str | None:
    """Where MCP is served, as `/info` says; None if it is not."""
    mcp = info.get(MCP)
    if not isinstance(mcp, dict) or not mcp.get("enabled"):
        return None
    return _path(mcp.get("path")) or "/mcp"


def interface_routes(config: Mapping[str, Any], kind: str) -> list[str]:
    """Where the interfaces of that kind are, as `/config` says; empty if there is none."""
    interfaces = _with_text(config.get("interfaces"), "type")
    routes = (_path(each.get("route")) for name, each in interfaces if name == kind)
    return [each for each in routes if each is not None]


def service_accounts(members: Mapping[str, Any]) -> list[str]:
    """The service accounts that an AgentOS lists: name, who made it, when it ends."""
    return [
        f"service account {name if is_principal_id(name) else 'without a readable name'};"
        f" made by {_who(each.get('created_by'))}, {_end(each.get('expires_at'))}"
        for name, each in _with_text(members.get("data"), "name")
    ]


def _who(subject: object) -> str:
    """Only ids: an AgentOS chooses the text, and readers of SARIF make links of brackets."""
    return subject if isinstance(subject, str) and is_principal_id(subject) else "an unknown caller"


def _end(seconds: object) -> str:
    if seconds is None:
        return "never ends"
    try:
        return f"ends on {datetime.fromtimestamp(int(str(seconds)), UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return "ends at an unknown time"


def is_addressable(id_: str) -> bool:
    """Whether an id, as a segment of a path, leads to no other path, even if decoded twice."""
    text = unquote(unquote(id_)).replace("\\", "/")
    return _DOTS.isdisjoint(text.split("/"))


def _name_of(id_: str, name: object) -> ComponentName:
    return ComponentName(id=id_, name=_text(name) or id_)


def _with_text(items: object, member: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects in a list of which that member is a text, with the text."""
    listed: Iterable[Any] = items[:_MOST] if isinstance(items, list) else ()
    for each in listed:
        if isinstance(each, dict) and (text := _text(each.get(member))):
            yield text, each


def _text(value: object) -> str | None:
    """A text that both databases store, shortened; None for anything else."""
    return value[:_LONGEST] if isinstance(value, str) and is_storable(value) else None


def _path(value: object) -> str | None:
    """A path to ask below the URL of the AgentOS, never another host."""
    path = _text(value)
    return path.rstrip("/") if path is not None and _PATH.fullmatch(path) else None
