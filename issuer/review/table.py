"""The access review as a table for spreadsheets."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from issuer.fields.text import escaped
from issuer.review.evidence import ReviewedScope

_COLUMNS = (
    "kind",
    "id",
    "name",
    "audience",
    "scope",
    "through",
    "given_at",
    "given_by",
    "expires_at",
    "last_used",
    "requests",
    "verdict",
)
_FORMULA = ("=", "+", "-", "@")


def table(rows: Iterable[ReviewedScope]) -> Iterator[list[object]]:
    """The names of the columns, then a line for each row."""
    yield list(_COLUMNS)
    for row in rows:
        members = {**row.model_dump(), **row.principal.model_dump()}
        yield [_cell(members[column]) for column in _COLUMNS]


def _cell(value: object) -> object:
    """Text that a spreadsheet would take for a formula begins with an apostrophe."""
    if isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, str):
        return "" if value is None else value
    return f"'{escaped(value)}" if value.startswith(_FORMULA) else escaped(value)
