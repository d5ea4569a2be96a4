"""The output of commands: a resource, a table or a sentence; or the same as JSON.

Names come from files, the database and the network: all printed text is escaped here.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from issuer.fields.text import escaped

_WIDE = 10_000
_PADDING = 3  # beside a column
_LEAST_TEXT = 30  # for a last column of long text
_NOTHING = "-"


def print_text(sentence: str) -> None:
    """One escaped line, flushed."""
    print(escaped(sentence), flush=True)


def print_json(members: Mapping[str, object]) -> None:
    """Indented JSON."""
    print(json.dumps(members, indent=2))


def print_line(members: Mapping[str, object]) -> None:
    """JSON on one line, flushed, for a program that reads it."""
    print(json.dumps(members), flush=True)


def show(resource: BaseModel, *, as_json: bool, **once: str) -> None:
    """One resource. Secrets in `once` follow it, each on its own line, uncut."""
    members = resource.model_dump(mode="json")
    if as_json:
        print_json({**members, **once})
        return
    grid = Table.grid(padding=(0, 2))
    for name, value in members.items():
        grid.add_row(Text(name, style="bold"), Text(escaped(_in_words(value))))
    _console().print(grid)
    for name, value in once.items():
        print(f"\n{name}: {value}\nIt is shown only once.")


def show_all(
    resources: Iterable[BaseModel | Mapping[str, Any]], columns: Sequence[str], *, as_json: bool
) -> None:
    """Many resources: all their members as JSON, or a table of some `columns`."""
    items = [
        each.model_dump(mode="json") if isinstance(each, BaseModel) else each for each in resources
    ]
    if as_json:
        print_json({"items": items})
        return
    console = _console()
    table = Table(*[column.replace("_", " ") for column in columns], box=box.SIMPLE_HEAD)
    for column in table.columns[:-1]:
        column.no_wrap = True
    table.columns[-1].overflow = "fold"  # only the last column may wrap
    for item in items:
        table.add_row(*(Text(escaped(_in_words(item[column]))) for column in columns))
    *widths, last = (_width(column) + _PADDING for column in table.columns)
    if sum(widths) + min(last, _LEAST_TEXT) > console.width:
        _show_one_by_one(console, table)
    else:
        console.print(table)


def _width(column: Column) -> int:
    return max(cell_len(str(cell)) for cell in (column.header, *column.cells))


def _show_one_by_one(console: Console, table: Table) -> None:
    """Each row as a list of its members, where the terminal is too narrow for a table."""
    for row in zip(*(column.cells for column in table.columns), strict=True):
        grid = Table.grid(padding=(0, 2))
        for column, cell in zip(table.columns, row, strict=True):
            if str(cell) != _NOTHING:
                grid.add_row(Text(str(column.header), style="bold"), cell)
        console.print(grid, "")


def say(sentence: str, members: Mapping[str, object], *, as_json: bool) -> None:
    """A sentence, or the same as JSON."""
    if as_json:
        print_json(members)
    else:
        print_text(sentence)


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on a terminal that something takes a while. Uses standard error."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(what):
        yield


def _in_words(value: object) -> str:
    match value:
        case None | "":
            return _NOTHING
        case list() | dict() if not value:  # the pattern {} would match every dict
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(str, value))
        case dict():
            return json.dumps(value)
        case _:
            return str(value)


def _console() -> Console:
    """As wide as the terminal. In a pipe it is wide enough that no line is cut."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)
