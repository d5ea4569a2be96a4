"""JSON Merge Patch (RFC 7396 §2)."""

from collections.abc import Mapping
from typing import Any


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
