"""JSON Merge Patch (RFC 7396 §2)."""

from collections.abc import Mapping


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
