"""Exporting the whole configuration as a manifest."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from issuer.manifest import current
from issuer.manifest.entries import TYPES, bare, in_order, members, plain_types
from issuer.manifest.reading import read
from issuer.manifest.text import written
from issuer.resources import ResourceType

_HEADER = "# The configuration of this issuer, without secrets, passwords and keys.\n"


def export(work: current.Configuration) -> str:
    """The configuration as YAML: the same data gives the same bytes, one value a line.

    Sections, entries and lists are sorted; members at their default are left out. Generated ids
    are included. Requires the right to read all sections.
    """
    current.require_readable(work)
    plain = plain_types()
    return _HEADER + "\n".join(
        _section(each.attribute, (_resources if each in plain else _principals)(work, each))
        for each in TYPES.values()
    )


def data_of(text: str) -> dict[str, Any]:
    """The data of an exported manifest, as JSON values."""
    return cast("dict[str, Any]", read(text, max_bytes=len(text.encode())).document.data)


def _resources(
    work: current.Configuration, resource_type: ResourceType[Any, Any]
) -> Iterator[dict[str, Any]]:
    for each in current.resources(work, resource_type):
        yield members(bare(resource_type.fields, each))


def _principals(
    work: current.Configuration, resource_type: ResourceType[Any, Any]
) -> Iterator[dict[str, Any]]:
    for each, assignments in current.principals(work, resource_type):
        roles = [each.model_dump(exclude_defaults=True) for each in in_order(assignments)]
        yield {**members(bare(resource_type.fields, each)), **({"roles": roles} if roles else {})}


def _section(name: str, entries: Iterable[dict[str, Any]]) -> str:
    """Keeps texts, which need less memory than entries; sorts them, since databases differ."""
    texts = sorted((_key(entry), written([_sorted(entry)])) for entry in entries)
    if not texts:
        return f"{name}: []\n"
    indented = (line for _, text in texts for line in text.splitlines(keepends=True))
    return f"{name}:\n" + "".join(f"  {line}" for line in indented)


def _key(entry: dict[str, Any]) -> str:
    return str(next(iter(entry.values())))


def _sorted(entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its claims sorted by name at every depth."""
    claims = {"claims": _by_name(entry["claims"])} if "claims" in entry else {}
    return {**entry, **claims}


def _by_name(value: object) -> object:
    match value:
        case dict():
            return {name: _by_name(value[name]) for name in sorted(value)}
        case list():
            return [_by_name(each) for each in value]
    return value
