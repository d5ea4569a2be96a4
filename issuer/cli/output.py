"""The output of commands: a resource, a table or a sentence; or the same as JSON.

Names come from files, the database and the network: all printed text is escaped here.
"""

import json
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from issuer.cli.command import wants_json
from issuer.fields.text import escape

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

# Rich is imported where a table is printed: with --json, and in a server, it is not needed.
_WIDE = 10_000
_PADDING = 3  # beside a column
_LEAST_TEXT = 20  # for a last column of long text
_BETWEEN = "  "
_NOTHING = "-"


def print_text(sentence: str) -> None:
    """One escaped line, flushed."""
    print(escape(sentence), flush=True)


def print_json(members: Mapping[str, object]) -> None:
    """Indented JSON."""
    print(json.dumps(members, indent=2, default=_members))


def print_line(members: Mapping[str, object]) -> None:
    """JSON on one line, flushed, for a program that reads it."""
    print(json.dumps(members), flush=True)


def show(
    resource: BaseModel | Mapping[str, Any],
    in_words: Mapping[str, object] | None = None,
    only: Container[str] | None = None,
    /,
    **once: str,
) -> None:
    """One resource. Secrets in `once` follow it, each on its own line, uncut.

    The table for people has the members `only`, by default all, and those of `in_words` beside
    them or in their place; JSON has those of the resource.
    """
    members = _members(resource)
    if wants_json.get():
        print_json({**members, **once})
        return
    some = {name: each for name, each in members.items() if only is None or name in only}
    shown = {**some, **(in_words or {})}
    _console().print(_grid((name, escape(_in_words(value))) for name, value in shown.items()))
    for name, value in once.items():
        print(f"\n{name}: {value}\nIt is shown only once.")


def show_all(
    resources: Iterable[BaseModel | Mapping[str, Any]],
    columns: Sequence[str],
    row: Callable[[Any], Mapping[str, Any]] = lambda _: {},
) -> None:
    """Many resources: all their members as JSON, or a table of some `columns`.

    `row` has members for people alone, in addition to those of a resource or in their place.
    """
    resources = list(resources)
    items = [_members(each) for each in resources]
    if wants_json.get():
        print_json({"items": items})
        return
    from rich import box  # noqa: PLC0415 - with Rich
    from rich.cells import cell_len  # noqa: PLC0415 - with Rich
    from rich.table import Table  # noqa: PLC0415 - 1.5 MB
    from rich.text import Text  # noqa: PLC0415 - 1.2 MB

    console = _console()
    table = Table(*[column.replace("_", " ") for column in columns], box=box.SIMPLE_HEAD)
    for column in table.columns[:-1]:
        column.no_wrap = True
    table.columns[-1].overflow = "fold"  # only the last column may wrap
    for each, item in zip(resources, items, strict=True):
        shown = {**item, **row(each)}
        table.add_row(*(Text(escape(_in_words(shown[column]))) for column in columns))
    *widths, last = (
        max(cell_len(str(cell)) for cell in (each.header, *each.cells)) + _PADDING
        for each in table.columns
    )
    if sum(widths) + min(last, _LEAST_TEXT) > console.width:
        _show_one_by_one(console, table)
    else:
        console.print(table)


def day(instant: datetime | None) -> str:
    """The day in UTC; nothing if it is not known."""
    return f"{instant:%Y-%m-%d}" if instant else ""


def show_lines(resources: Iterable[BaseModel], line: Callable[[Any], tuple[str, ...]]) -> None:
    """Each resource on a line, or all their members as JSON.

    `line` begins with what is cut where the terminal ends. What follows is left out there.
    """
    if wants_json.get():
        print_json({"items": [each.model_dump(mode="json") for each in resources]})
        return
    from rich.cells import cell_len  # noqa: PLC0415 - with Rich
    from rich.text import Text  # noqa: PLC0415 - 1.2 MB

    console = _console()
    for each in resources:
        first, *more = map(escape, line(each))
        for text in more:
            if cell_len(first) + len(_BETWEEN) + cell_len(text) > console.width:
                break
            first = f"{first}{_BETWEEN}{text}"
        console.print(Text(first), no_wrap=True, overflow="ellipsis")


def _show_one_by_one(console: "Console", table: "Table") -> None:
    """Each row as a list of its members, where the terminal is too narrow for a table."""
    names = [str(column.header) for column in table.columns]
    for row in zip(*(column.cells for column in table.columns), strict=True):
        members = zip(names, map(str, row), strict=True)
        console.print(_grid(each for each in members if each[1] != _NOTHING), "")


def _grid(members: Iterable[tuple[str, str]]) -> "Table":
    from rich.table import Table  # noqa: PLC0415 - 1.5 MB
    from rich.text import Text  # noqa: PLC0415 - 1.2 MB

    grid = Table.grid(padding=(0, 2))
    for name, text in members:
        grid.add_row(Text(name, style="bold"), Text(text))
    return grid


def say(sentence: str, members: Mapping[str, object]) -> None:
    """A sentence, or the same as JSON."""
    if wants_json.get():
        print_json(members)
    else:
        print_text(sentence)


def working(what: str) -> AbstractContextManager[object]:
    """Show on a terminal that something takes a while. Uses standard error."""
    from rich.console import Console  # noqa: PLC0415 - 1.7 MB

    console = Console(stderr=True)
    return console.status(what) if console.is_terminal else nullcontext()


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how much of `total` is done, by what is called. Uses standard error."""
    from rich.console import Console  # noqa: PLC0415 - 1.7 MB
    from rich.progress import Progress  # noqa: PLC0415 - 2.4 MB

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def _members(resource: BaseModel | Mapping[str, Any]) -> Mapping[str, Any]:
    return resource.model_dump(mode="json") if isinstance(resource, BaseModel) else resource


def _in_words(value: object) -> str:
    match value:
        case None | "":
            return _NOTHING
        case list() | dict() if not value:  # the pattern {} would match every dict
            return _NOTHING
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_in_words, value))
        case dict():
            return json.dumps(value)
        case _:
            return str(value)


def _console() -> "Console":
    """A console as wide as the terminal. In a pipe it is wide enough that no line is cut."""
    from rich.console import Console  # noqa: PLC0415 - 1.7 MB

    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDE)


@dataclass(frozen=True)
class NewOutput:
    """Other forms in which a command may print what it has created.

    `prints` gets the id of the owner, what was created and the `options`; false: as usual.
    """

    options: Mapping[str, Any] = field(default_factory=dict)
    examples: tuple[str, ...] = ()
    prints: Callable[..., bool] = lambda *_, **__: False
