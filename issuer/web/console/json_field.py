"""Members that people type as JSON, such as custom claims."""

import json

from issuer.errors import InvalidField


def read_json(name: str, text: str, empty: object = None) -> object:
    """The value of the field `name`, which is checked with the others; `empty` if it is empty."""
    try:
        return json.loads(text) if text.strip() else empty
    except (ValueError, RecursionError):
        raise InvalidField(name, "is not JSON") from None


def json_text(value: object) -> str:
    """As `read_json` reads it; empty for nothing."""
    return json.dumps(value, ensure_ascii=False, indent=1) if value else ""
