"""The members of a resource in a manifest: JSON values, sorted lists of names."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel

from issuer.fields.fields import Fields
from issuer.roles import Assignment

Model = TypeVar("Model", bound=BaseModel)

# Order and repetitions have no meaning.
_SETS = {
    "algorithms",
    "audiences",
    "grant_types",
    "post_logout_redirect_uris",
    "redirect_uris",
    "resources",
    "scopes",
}


def bare(model: type[Model], fields: Fields) -> Model:
    """`fields`, a stored resource or an entry, as a `model` without further members."""
    stored: dict[str, Any] = {name: getattr(fields, name) for name in model.model_fields}
    return model.model_construct(**stored)


def all_members(fields: Fields) -> dict[str, Any]:
    """Every member, with its value or its default."""
    return _in_order(fields.model_dump(mode="json"))


def members(fields: Fields) -> dict[str, Any]:
    """The members that are not at their default."""
    return _in_order(fields.model_dump(mode="json", exclude_defaults=True))


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The names of members that differ, as JSON: 1, 1.0 and true are three values."""
    return [name for name in after if _canonical(before[name]) != _canonical(after[name])]


def in_order(assignments: Iterable[Assignment]) -> list[Assignment]:
    """By role, then audience, everywhere first; without repetitions."""
    return sorted(set(assignments), key=lambda each: (each.role, each.audience or ""))


def _in_order(dumped: dict[str, Any]) -> dict[str, Any]:
    for name in _SETS & dumped.keys():
        dumped[name] = sorted(set(dumped[name]))
    return dumped


def _canonical(value: object) -> str:
    return json.dumps(value, sort_keys=True)
