"""The difference that a change made, for the audit log; without private values."""

import json
from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

_MAX_VALUE = 2_048  # bytes of JSON, of a value before or after


def differences(
    before: BaseModel, after: BaseModel, private: Collection[str] = ()
) -> dict[str, Any]:
    """The names of the members that are `changed`, and their values `from` and `to`.

    Of `private` members, and of very long ones, only the name.
    """
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    changed = sorted(name for name in new if _text(old.get(name)) != _text(new[name]))
    shown = [name for name in changed if name not in private and _is_short(old, new, name)]
    return {
        "changed": changed,
        "from": {name: old.get(name) for name in shown},
        "to": {name: new[name] for name in shown},
    }


def _is_short(old: dict[str, Any], new: dict[str, Any], name: str) -> bool:
    return max(len(_text(old.get(name))), len(_text(new[name]))) <= _MAX_VALUE


def _text(value: object) -> str:
    """In Python 1, 1.0 and True are equal; in JSON they are not."""
    return json.dumps(value, sort_keys=True)
