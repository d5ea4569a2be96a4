"""The results, for a terminal and as JSON. `page.py` has those for the documentation."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Measured
from benchmarks.targets import TARGETS, Target, p99, rate

COLUMNS = ("requests/s", "slowest", "fastest", "p50 ms", "p99 ms", "errors")


@dataclass(frozen=True)
class BenchmarkReport:
    """One run. `figures` are the numbers that do not belong to a load, by `what: unit`.

    `left_out` says of other servers that were not measured why not.
    """

    machine: Mapping[str, str]
    command: str
    results: Mapping[str, Measured]
    figures: Mapping[str, float]
    left_out: Mapping[str, str]

    @property
    def numbers(self) -> dict[str, float]:
        """Everything that a target may name."""
        found = dict(self.figures)
        for name, result in self.results.items():
            found |= {rate(name): result.per_second, p99(name): result.p99}
        return found

    def for_machines(self) -> dict[str, Any]:
        return {
            "machine": dict(self.machine),
            "command": self.command,
            "loads": {name: asdict(result) for name, result in self.results.items()},
            "figures": dict(self.figures),
            "not measured": dict(self.left_out),
            "targets": [
                {
                    "line": target.line,
                    "bound": target.bound,
                    "value": target.value(self.numbers),
                    "is_reached": target.is_reached(self.numbers),
                }
                for target in TARGETS
            ],
        }

    def show(self) -> None:
        """As tables on standard output."""
        console = Console(width=120)
        for table in (self._loads(), self._figures(), self._targets()):
            console.print(table)
        for line in self.left_out_lines():
            console.print(line)

    def left_out_lines(self) -> Iterator[str]:
        return (f"{name} was not measured: {why}." for name, why in self.left_out.items())

    def load_rows(self) -> Iterator[tuple[str, ...]]:
        for name, result in self.results.items():
            rates = (result.per_second, result.slowest, result.fastest)
            yield (
                name,
                *(f"{each:,.0f}" for each in rates),
                f"{result.p50:.2f}",
                f"{result.p99:.2f}",
                str(result.errors),
            )

    def figure_rows(self) -> Iterator[tuple[str, str]]:
        for name, value in self.figures.items():
            what, _, unit = name.partition(": ")
            yield what, f"{value:,.0f} {unit}" if value >= 10 else f"{value:.2f} {unit}"

    def target_rows(self) -> Iterator[tuple[str, str, str, str]]:
        for target in TARGETS:
            yield (target.line, target.bound, *_judged(target, self.numbers))

    def _loads(self) -> Table:
        return _table(("", *COLUMNS), self.load_rows())

    def _figures(self) -> Table:
        return _table(("figure", "measured"), self.figure_rows())

    def _targets(self) -> Table:
        return _table(("target", "wanted", "measured", ""), self.target_rows())


def _judged(target: Target, numbers: Mapping[str, float]) -> tuple[str, str]:
    value = target.value(numbers)
    if value is None:
        return "–", "not measured"
    return f"{value:.2f} {target.unit}", "reached" if target.is_reached(numbers) else "not reached"


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Table:
    table = Table()
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*row)
    return table
