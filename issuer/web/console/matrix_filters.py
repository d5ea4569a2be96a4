"""Which part of the matrix of rights is shown, in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from issuer.resources import ResourceType
from issuer.scopes import InvalidScope, parse
from issuer.users import USER
from issuer.web.console.views import Typed

_NAMES = ("subject", "kind", "resource")
PARAMETERS = (*_NAMES, "after", "column")
_MAX_CHARACTERS = 255
_MAX_DIGITS = 6


@dataclass(frozen=True)
class MatrixFilters:
    """`values` as they were given. The part begins after the subject `after`, of `after_kind`.

    `column` is the number of its first column, from 0. `error` is about the resource.
    """

    values: Typed
    after_kind: str
    after: str
    column: int
    error: str

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "MatrixFilters":
        values = {name: query[name].strip()[:_MAX_CHARACTERS] for name in _NAMES if name in query}
        kind, _, after = query.get("after", "").partition(":")
        column = query.get("column", "")
        is_number = column.isascii() and column.isdigit() and len(column) <= _MAX_DIGITS
        error = _error(values.get("resource", ""))
        return cls(Typed(values), kind, after, int(column) if is_number else 0, error)

    @property
    def subject(self) -> str:
        return self.values["subject"]

    @property
    def resource(self) -> str:
        """Empty where it names none."""
        return "" if self.error else self.values["resource"]

    @property
    def is_any(self) -> bool:
        return any(self.values.values())

    def start_in(self, kind: ResourceType[Any, Any]) -> str | None:
        """After which of `kind` the part begins; None: it has none. Clients come before users."""
        if self.values["kind"] not in {"", kind.plural}:
            return None
        if self.after_kind == kind.plural:
            return self.after
        return None if self.after_kind == USER.plural else ""

    def url(self, path: str, **part: str) -> str:
        """Of another part with the same filters; of the first one without `part`."""
        query = {name: value for name, value in {**self.values, **part}.items() if value}
        return f"{path}?{urlencode(query)}#rights" if query else f"{path}#rights"


def _error(resource: str) -> str:
    try:
        if resource:
            parse(f"{resource}:read")
    except InvalidScope:
        return "Name a resource such as agents or sessions, or one agent by agents:web."
    return ""
