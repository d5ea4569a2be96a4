"""CSV files are text in a spreadsheet, whoever wrote what is in them."""

import csv
import io
from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from issuer.fields.spreadsheet import as_csv, cells

FORMULA = tuple("=+-@\t\r\n＝＋－＠")


@given(st.text())
@example("=1+1")
@example("\t=1+1")
@example(' "=1+1')
@example("\n=1+1")
@example("＝1+1")
@example("\x1b]0;title\x07")
@example("\ud800")
def test_no_text_begins_a_formula_or_a_line(text: str):
    (row,) = csv.DictReader(io.StringIO(as_csv([{"name": text}], ["name"])))
    assert not row["name"].lstrip(' "').startswith(FORMULA)
    assert all(each.isprintable() for each in row["name"])
    row["name"].encode()


@given(st.text(alphabet='=+-@＝; "x,'))
@example("x;=1+1;")
@example('x;"=1+1;')
@example('x; ""=1+1;')
def test_no_formula_begins_where_cells_end_at_semicolons(text: str):
    """As in a spreadsheet of a language with a decimal comma."""
    file = as_csv([{"first": "a", "name": text}], ["first", "name"])
    for cell in (cell for line in file.splitlines() for cell in line.split(";")):
        assert not cell.lstrip(' "').startswith(FORMULA)


def test_every_kind_of_value_has_a_text():
    row = {
        "none": None,
        "flag": True,
        "number": -1,
        "list": ["agents:run", "agents:read"],
        "object": {"a": "é"},
        "at": datetime(2026, 11, 25, tzinfo=UTC),
    }
    names, values = cells([row], row)
    assert names == list(row)
    assert values == [
        "",
        "true",
        "-1",
        "agents:run agents:read",
        '{"a": "é"}',
        "2026-11-25T00:00:00+00:00",
    ]
    assert list(cells([{}], ["name"])) == [["name"], [""]]
