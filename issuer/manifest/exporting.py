"""Exporting the whole configuration as a manifest: stable YAML for diffs, one value a line.

A string is unquoted only if every parser of YAML 1.1 or 1.2 reads it as the same string.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from issuer.groups import GROUP
from issuer.manifest import current
from issuer.manifest.entries import TYPES, assigned, bare, in_order, members, plain_types
from issuer.manifest.reading import read
from issuer.resources import ResourceType

_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
_TROUBLE = re.compile(r": |:$| #| $")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_MAX_KEY = 120  # YAML requires `?` before a longer key
_HEADER = "# The configuration of this issuer, without secrets, passwords and keys.\n"


def written(value: object) -> str:
    """`value`, made of JSON values, as a YAML document in block style."""
    return "".join(f"{line}\n" for line in _block(value))


def _block(value: object) -> Iterator[str]:
    match value:
        case dict() if value:
            for name, member in value.items():
                yield from _member(_scalar(name), member)
        case list() if value:
            for item in value:
                yield from _indented("- ", _block(item))
        case _:
            yield _scalar(value)


def _member(key: str, member: object) -> Iterator[str]:
    if len(key) > _MAX_KEY:
        yield f"? {key}"
        yield from _indented(": ", _block(member))
    elif isinstance(member, dict | list) and member:
        yield f"{key}:"
        yield from _indented("  ", _block(member))
    else:
        yield f"{key}: {_scalar(member)}"


def _indented(first: str, lines: Iterable[str]) -> Iterator[str]:
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
    return (
        begins_plainly
        and text.isprintable()
        and text.lower() not in _WORDS
        and not _TROUBLE.search(text)
    )


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"  # noqa: PLR2004


def export(work: current.Configuration) -> str:
    """The configuration as YAML: the same data gives the same bytes, one value a line.

    Sections, entries and lists are sorted; members at their default are left out. Generated ids
    are included. Requires the right to read all sections.
    """
    current.require_readable(work)
    return _HEADER + "\n".join(
        _section(each.attribute, _entries(work, each)) for each in TYPES.values()
    )


def data_of(text: str) -> dict[str, Any]:
    """The data of an exported manifest, as JSON values."""
    return cast("dict[str, Any]", read(text, max_bytes=len(text.encode())).document.data)


def _entries(
    work: current.Configuration, resource_type: ResourceType[Any, Any]
) -> Iterator[dict[str, Any]]:
    if resource_type in plain_types():
        for each in current.resources(work, resource_type):
            yield members(bare(resource_type.fields, each))
        return
    for each, held in current.principals(work, resource_type):
        entry = members(bare(resource_type.fields, each))
        if resource_type is GROUP:
            users = sorted(name for _, name in current.members(work, each.id))
            entry |= {"members": users} if users else {}
        roles = [
            one.model_dump(mode="json", exclude_defaults=True) for one in in_order(assigned(held))
        ]
        yield entry | ({"roles": roles} if roles else {})


def _section(name: str, entries: Iterable[dict[str, Any]]) -> str:
    """Keeps texts, which need less memory than entries; sorts them, since databases differ."""
    texts = sorted(
        (str(next(iter(entry.values()))), written([_sorted(entry)])) for entry in entries
    )
    if not texts:
        return f"{name}: []\n"
    indented = (line for _, text in texts for line in text.splitlines(keepends=True))
    return f"{name}:\n" + "".join(f"  {line}" for line in indented)


def _sorted(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its claims sorted by name at every depth."""
    if "claims" not in entry:
        return entry
    return {**entry, "claims": json.loads(json.dumps(entry["claims"], sort_keys=True))}
