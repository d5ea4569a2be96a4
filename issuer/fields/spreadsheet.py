"""CSV that a spreadsheet opens without running what is in it (RFC 4180)."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from issuer.fields.text import escape

# Spreadsheets take a cell for a formula that begins with one of these, perhaps after a space or a
# quote; Japanese ones also with the full-width ones. With a decimal comma, a cell begins after each
# semicolon.
_FORMULA = re.compile(r'((?:^|;)[ "]*)(?=[-=+@\uff1d\uff0b\uff0d\uff20])')


def as_csv(rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> str:
    """The `cells` of the rows, as a file."""
    text = io.StringIO()
    csv.writer(text).writerows(cells(rows, columns))
    return text.getvalue()


def cells(rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> Iterator[list[str]]:
    """The names of the columns, then those of each row.

    Lists have spaces between, objects are JSON, None is nothing. A cell is on one line and safe to
    print. What a spreadsheet would take for a formula gets an apostrophe before it.
    """
    yield (names := list(columns))
    for row in rows:
        yield [_cell(row.get(name)) for name in names]


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case datetime():
            return value.isoformat()
        case list() if all(isinstance(each, str) for each in value):
            value = " ".join(value)
        case list() | dict():
            value = json.dumps(value, ensure_ascii=False)
    return _FORMULA.sub(r"\1'", escape(str(value)))
