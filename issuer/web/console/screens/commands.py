"""The commands and requests that do the same as the console."""

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from issuer.resources.resource_type import Control, Member, ResourceType
from issuer.roles import Assignment
from issuer.roles.operations import command_of, request_of
from issuer.web.console.screens.views import Command

_BEARER = '-H "Authorization: Bearer $TOKEN"'
_JSON = "-H 'Content-Type: application/json'"
_YAML = "-H 'Content-Type: application/yaml'"


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
        file: str = "",
    ) -> Command:
        """`cli` without `issuer`; `path` below `/admin/v1`, part by part, if it does the same.

        The request has `body` as JSON, or the YAML of the `file`.
        """
        command = shlex.join(["issuer", *cli])
        if not method:
            return Command(command)
        url = "/".join([self._api, *(quote(part, safe="") for part in path)])
        lines = [f"curl -X {method} {shlex.quote(f'{url}?{query}' if query else url)}", _BEARER]
        if body is not None:
            lines += [_JSON, f"-d {shlex.quote(json.dumps(body, ensure_ascii=False))}"]
        elif file:
            lines += [_YAML, f"--data-binary {shlex.quote(f'@{file}')}"]
        return Command(command, " \\\n  ".join(lines))

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

    def assignment(
        self,
        owner: ResourceType[Any, Any],
        key: str,
        assignment: Assignment,
        verb: str,
        reason: str = "",
    ) -> Command:
        """The command that assigns or unassigns a role."""
        cli = command_of(owner, verb, key, assignment, reason)
        request = request_of(owner, verb, key, assignment, reason)
        query = urlencode(request.query)
        return self.command(cli, request.method, request.path, request.body, query)


def as_options(members: Mapping[str, Member], given: Mapping[str, object]) -> list[str]:
    """The options of `create` and `update` that give these members."""
    return [
        part
        for name, value in given.items()
        if (member := members.get(name))
        for part in _option(name, member, value)
    ]


def _option(name: str, member: Member, value: object) -> Iterator[str]:
    option = member.option or f"--{name.replace('_', '-')}"
    if member.control is Control.SWITCH:
        on, _, off = option.partition("/")
        yield on if value else off
        return
    values = value if isinstance(value, list) else [value]
    for each in values or [""]:
        text = member.item.write(each) if member.item and each else _text(member.control, each)
        yield from (option, text)


def _text(control: Control, value: object) -> str:
    match value:
        case None:
            return "none" if control is Control.DURATION else ""
        case int():
            return f"{value}s"
        case dict():
            return json.dumps(value, ensure_ascii=False)
    return str(value)
