"""CSV that a spreadsheet opens without running what is in it (RFC 4180)."""

import csv
import io
import json
from collections.abc import Iterable, Mapping

# With these a cell begins that a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def as_csv(rows: Iterable[Mapping[str, object]], columns: Iterable[str]) -> str:
    """The columns of each row; lists with spaces between, objects as JSON, nothing for None."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names := list(columns))
    writer.writerows([_cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list() if all(isinstance(each, str) for each in value):
            value = " ".join(value)
        case list() | dict():
            value = json.dumps(value, ensure_ascii=False)
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text
