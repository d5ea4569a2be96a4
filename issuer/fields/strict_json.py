"""JSON that every parser reads alike (RFC 8259, RFC 7493 §2.3)."""

import json
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
