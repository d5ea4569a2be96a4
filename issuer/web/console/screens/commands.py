"""The commands and requests that do the same as the console."""

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from issuer.resources import ResourceType
from issuer.web.console.screens.views import Command


class Commands:
    """For an issuer at `base_url`."""

    def __init__(self, base_url: str) -> None:
        self._api = f"{base_url}/admin/v1"

    def command(
        self,
        cli: tuple[str, ...],
        method: str = "",
        path: tuple[str, ...] = (),
        body: Mapping[str, object] | None = None,
        query: str = "",
    ) -> Command:
        """`cli` without `issuer`; `path` below `/admin/v1`, part by part, if it does the same."""
        url = "/".join([self._api, *(quote(part, safe="") for part in path)])
        return Command(
            shlex.join(["issuer", *cli]),
            f"{method} {url}{query and '?'}{query}" if method else "",
            "" if body is None else json.dumps(body, ensure_ascii=False),
        )

    def of_resources(
        self,
        resource_type: ResourceType[Any, Any],
        cli: Sequence[str],
        method: str,
        path: Sequence[str] = (),
        body: Mapping[str, object] | None = None,
        query: str = "",
    ) -> Command:
        """`cli` after `issuer` and the kind; `path` below that of all resources of the type."""
        noun = resource_type.kind.replace(" ", "-")
        return self.command((noun, *cli), method, (resource_type.plural, *path), body, query)


def as_options(
    members: Mapping[str, object],
    options: Mapping[str, str],
    switches: Mapping[str, tuple[str, str]],
) -> list[str]:
    """The options of a command that give these members; a switch has one name for each value."""
    given: list[str] = []
    for name, value in members.items():
        if option := options.get(name):
            values = value if isinstance(value, list) else [value]
            given += [part for each in values or [""] for part in (option, _text(name, each))]
        elif switch := switches.get(name):
            given.append(switch[0] if value else switch[1])
    return given


def _text(name: str, value: object) -> str:
    match value:
        case None:
            return "none" if name == "access_token_ttl" else ""
        case int():
            return f"{value}s"
        case dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
