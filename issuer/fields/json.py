"""JSON that every parser reads alike (RFC 8259, RFC 7493 §2.3)."""

import json
from collections.abc import Mapping
from typing import Any

_MAX_NAME = 128  # of a message


class AmbiguousJson(ValueError):
    """A repeated member, or a number that JSON does not have: parsers read them differently."""


def strict_json(data: bytes) -> Any:
    """The value in the UTF-8 text; `AmbiguousJson`, or another `ValueError` if it is no JSON."""
    text = data.decode("utf-8-sig")
    return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse_constant)


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    unique: dict[str, Any] = {}
    for name, value in members:
        if name in unique:
            shortened = name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
            raise AmbiguousJson(f"The member {shortened!r} is repeated.")
        unique[name] = value
    return unique


def _refuse_constant(constant: str) -> Any:
    raise AmbiguousJson(f"{constant} is not JSON.")


def same_json(value: object, wanted: object) -> bool:
    """Whether two JSON values are equal: 1, 1.0, true and "1" are four. No deeper than `wanted`."""
    if type(value) is not type(wanted):
        return False
    if isinstance(value, dict) and isinstance(wanted, dict):
        same_names = value.keys() == wanted.keys()
        return same_names and all(same_json(value[name], wanted[name]) for name in wanted)
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(same_json, value, wanted))
    return value == wanted


def merge_patch(target: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """`target` with `patch` applied: null removes a member, objects merge, the rest replaces."""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            member = merged.get(name)
            merged[name] = merge_patch(member if isinstance(member, Mapping) else {}, value)
        else:
            merged[name] = value
    return merged


def patch_between(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """The patch that makes `after` of `before`, if no new value is null, which would remove it."""
    patch: dict[str, Any] = {name: None for name in before if name not in after}
    for name, value in after.items():
        was = before.get(name)
        if isinstance(was, Mapping) and isinstance(value, Mapping):
            if was != value:
                patch[name] = patch_between(was, value)
        elif name not in before or was != value:
            patch[name] = value
    return patch
