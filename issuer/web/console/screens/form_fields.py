"""Members that people type as JSON, such as custom claims."""

import json
import re
from datetime import timedelta

from issuer.audiences import AUDIENCE
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.fields.times import in_seconds
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.web.console.screens.operator import Operator


def read_json(name: str, text: str, empty: object = None) -> object:
    """The value of the field `name`, which is checked with the others; `empty` if it is empty."""
    try:
        return json.loads(text) if text.strip() else empty
    except (ValueError, RecursionError):
        raise InvalidField(name, "is not JSON") from None


def json_text(value: object) -> str:
    """As `read_json` reads it; empty for nothing."""
    return json.dumps(value, ensure_ascii=False, indent=1) if value else ""


_SECONDS = re.compile(r"[0-9]{1,9}")


def typed_lifetime(text: str) -> object:
    """As the models take it: seconds, a text such as 15m, or None if nothing was typed."""
    text = text.strip()
    return int(text) if _SECONDS.fullmatch(text) else text or None


def lifetime_as_typed(lifetime: timedelta | None) -> str:
    return f"{in_seconds(lifetime)}s" if lifetime else ""


def field_errors(error: InvalidField) -> dict[str, str]:
    """The first problem of each field; of a list, with the number of the line."""
    errors: dict[str, str] = {}
    for name, message in error.problems:
        field, _, line = name.partition(".")
        text = f"Line {int(line) + 1}: {message}" if line.isdigit() else message
        errors.setdefault(field, text)
    return errors


_SHOWN = 100


def some_roles(operator: Operator, work: UnitOfWork) -> tuple[str, ...]:
    """Empty without the scope to read roles."""
    if not operator.holds(ROLE.read):
        return ()
    return tuple(each.name for each in work.roles.page(None, _SHOWN))


def some_audiences(operator: Operator, work: UnitOfWork) -> tuple[str, ...]:
    """Empty without the scope to read audiences."""
    if not operator.holds(AUDIENCE.read):
        return ()
    return tuple(each.id for each in work.audiences.page(None, _SHOWN))


def some_trusted_issuers(operator: Operator, work: UnitOfWork) -> tuple[str, ...]:
    """Empty without the scope to read trusted issuers."""
    if not operator.holds(TRUSTED_ISSUER.read):
        return ()
    return tuple(each.id for each in work.trusted_issuers.page(None, _SHOWN))
