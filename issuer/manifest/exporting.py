"""Exporting the whole configuration as a manifest: stable YAML for diffs, one value a line.

A string is unquoted only if every parser of YAML 1.1 or 1.2 reads it as the same string.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from textwrap import indent
from typing import Any

from issuer.groups import GROUP
from issuer.manifest import current
from issuer.manifest.entries import PRINCIPALS, TYPES, bare, in_order, members, own_assignments
from issuer.resources import ResourceType
from issuer.roles import HeldRole

_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_TROUBLE = re.compile(r": |:$| #| $")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_MAX_KEY = 120  # YAML requires `?` before a longer key
_HEADER = "# The configuration of this issuer, without secrets, passwords and keys.\n"


def write_yaml(value: object) -> str:
    """`value`, made of JSON values, as a YAML document in block style."""
    return "".join(f"{line}\n" for line in _block(value))


def _block(value: object) -> Iterator[str]:
    match value:
        case dict() if value:
            for name, member in value.items():
                yield from _member(_scalar(name), member)
        case list() if value:
            for item in value:
                yield from _indent("- ", _block(item))
        case _:
            yield _scalar(value)


def _member(key: str, member: object) -> Iterator[str]:
    if len(key) > _MAX_KEY:
        yield f"? {key}"
        yield from _indent(": ", _block(member))
    elif isinstance(member, dict | list) and member:
        yield f"{key}:"
        yield from _indent("  ", _block(member))
    else:
        yield f"{key}: {_scalar(member)}"


def _indent(first: str, lines: Iterable[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        yield (" " * len(first) if number else first) + line


def _scalar(value: object) -> str:
    match value:
        case str():
            escaped = (_ESCAPES.get(each) or _printable(each) for each in value)
            return value if _is_plain(value) else f'"{"".join(escaped)}"'
        case float():
            mantissa, e, exponent = repr(value).partition("e")
            # YAML 1.1 reads an exponent only after a decimal point.
            return f"{mantissa}.0e{exponent}" if e and "." not in mantissa else repr(value)
    return json.dumps(value)  # a dict or a list here is empty


def _is_plain(text: str) -> bool:
    begins_plainly = text[:1].isalpha() or text[:1] in {"_", "/"}
    is_word = text.lower() in _WORDS
    return begins_plainly and text.isprintable() and not (is_word or _TROUBLE.search(text))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"  # noqa: PLR2004


def export(work: current.Configuration, *, as_json: bool = False) -> Iterator[str]:
    """The configuration in pieces of YAML or JSON: the same data gives the same text.

    One snapshot, of which a page is in memory at a time; in YAML, a line has one value. All is
    sorted, without members at their default. `Forbidden` without the right to read all.
    """
    current.require_readable(work)
    return _json(work) if as_json else _yaml(work)


def _yaml(work: current.Configuration) -> Iterator[str]:
    yield _HEADER
    for number, each in enumerate(TYPES.values()):
        entries = (write_yaml([entry]) for entry in _entries(work, each))
        first = next(entries, "")
        yield ("\n" if number else "") + f"{each.attribute}:{'' if first else ' []'}\n"
        for text in chain([first], entries):
            yield indent(text, "  ")


def _json(work: current.Configuration) -> Iterator[str]:
    for number, each in enumerate(TYPES.values()):
        yield f"{',' if number else '{'}\n{json.dumps(each.attribute)}: ["
        for index, entry in enumerate(_entries(work, each)):
            yield ("," if index else "") + f"\n {json.dumps(entry)}"
        yield "]"
    yield "}\n"


def _entries(
    work: current.Configuration, resource_type: ResourceType[Any, Any]
) -> Iterator[dict[str, Any]]:
    for page in current.in_text_order(work, resource_type):
        held: Mapping[str, list[HeldRole]] = {}
        if resource_type in PRINCIPALS:
            held = work.assignments.roles_of_all([resource_type.key_of(each) for each in page])
        for each in page:
            entry = _sort(members(bare(resource_type.fields, each)))
            if resource_type is GROUP:
                members_of = work.groups.members_of_each([each.id])
                entry["members"] = sorted(name for _, name in members_of[each.id])
            roles = in_order(own_assignments(held.get(resource_type.key_of(each), [])))
            if roles:
                dumped = [one.model_dump(mode="json", exclude_defaults=True) for one in roles]
                entry |= {"roles": dumped}
            yield entry


def _sort(entry: dict[str, Any]) -> dict[str, Any]:
    if "claims" not in entry:
        return entry
    return {**entry, "claims": json.loads(json.dumps(entry["claims"], sort_keys=True))}
