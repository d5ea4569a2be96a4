"""What people type into forms: JSON, lifetimes, scopes, keys of resources; and errors by field."""

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.fields.times import in_seconds
from issuer.resources import ResourceType
from issuer.web.console.screens.operator import Operator

_SECONDS = re.compile(r"[0-9]{1,9}")
_SHOWN = 100
_ALLOW = "allow_unknown_scopes"


def read_json(name: str, text: str, empty: object = None) -> object:
    """The value of the field `name`, which is checked with the others; `empty` if it is empty."""
    try:
        return json.loads(text) if text.strip() else empty
    except (ValueError, RecursionError):
        raise InvalidField(name, "is not JSON") from None


def json_text(value: object) -> str:
    """As `read_json` reads it; empty for nothing."""
    return json.dumps(value, ensure_ascii=False, indent=1) if value else ""


def typed_lifetime(text: str) -> object:
    """As the models take it: seconds, a text such as 15m, or None if nothing was typed."""
    text = text.strip()
    return int(text) if _SECONDS.fullmatch(text) else text or None


def lifetime_as_typed(lifetime: timedelta | None) -> str:
    return f"{in_seconds(lifetime)}s" if lifetime else ""


def typed_scopes(form: Mapping[str, str]) -> list[str]:
    """The texts of the list, and of the field that completes names."""
    return [*form.get("scopes", "").split(), *form.get("add", "").split()]


def allow_if_ticked(work: UnitOfWork, form: Mapping[str, str]) -> None:
    """Allow misspelled scopes if the form says so: its box appears once they were refused."""
    if form.get(_ALLOW) == "yes":
        work.allow_unknown_scopes()


def ticked(form: Mapping[str, str]) -> dict[str, str]:
    return {name: form[name] for name in (_ALLOW,) if name in form}


def one_a_line(chosen: Iterable[str]) -> str:
    return "\n".join(chosen)


def field_errors(error: InvalidField) -> dict[str, str]:
    """The first problem of each field; of a list, with the number of the line."""
    errors: dict[str, str] = {}
    for name, message in error.problems:
        field, _, line = name.partition(".")
        text = f"Line {int(line) + 1}: {message}" if line.isdigit() else message
        errors.setdefault(field, text)
    return errors


def some_keys(
    operator: Operator, work: UnitOfWork, resource_type: ResourceType[Any, Any]
) -> tuple[str, ...]:
    """Some to choose from; others can be typed. Empty without the scope to read them."""
    if not operator.holds(resource_type.read):
        return ()
    page = work.collection(resource_type).page(None, _SHOWN)
    return tuple(map(resource_type.key_of, page))
