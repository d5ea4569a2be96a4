"""What was measured, for a terminal, for machines, and for `docs/performance.md`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Result
from benchmarks.targets import TARGETS, Target, p99, rate

COLUMNS = ("requests/s", "slowest", "fastest", "p50 ms", "p99 ms", "errors")


@dataclass(frozen=True)
class Report:
    """One run. `figures` are all numbers that are not of a load, by `what: unit`."""

    machine: Mapping[str, str]
    command: str
    results: Mapping[str, Result]
    figures: Mapping[str, float]

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

    def markdown(self) -> str:
        """The whole of `docs/performance.md`."""
        return "\n".join(_markdown(self))

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


def _markdown(report: Report) -> Iterator[str]:
    yield "# Performance"
    yield ""
    yield "Ratios are the result; absolute figures are of one machine, and are context. Everything"
    yield "was measured side by side in one run, which wrote this file. Only what is called scale"
    yield "is from a run before it, of houses side by side: `python -m benchmarks.scale`."
    yield ""
    yield "What keeps us from the rest: [where-the-time-goes.md](where-the-time-goes.md)."
    yield ""
    yield f"    {report.command}"
    yield ""
    yield from (f"- {name}: {text}" for name, text in report.machine.items())
    yield ""
    yield "## What we want to reach"
    yield ""
    yield from _rows(("", "wanted", "measured", ""), report.target_rows())
    yield ""
    yield "## Tokens a second"
    yield ""
    yield from _plot(report.results)
    yield ""
    yield "## All of it"
    yield ""
    yield METHOD
    yield ""
    yield from _rows(("", *COLUMNS), report.load_rows())
    yield ""
    yield from _rows(("", ""), report.figure_rows())


METHOD = """\
A server is one process on the first core and the load comes from the last one, with 16 connections
where nothing else is said; two processes have all cores and share them with the load. Settings are
the defaults, but that two algorithms sign and a user may fail 1,000 times; every token is on record
before it is given out. A client asks for its token in the same bytes each time, as machines do, and
ours remembers the last of them; "never the same twice" are two in turn, of which it has forgotten
the one that comes.
PostgreSQL flushes its commits to the disk and runs on whatever core is free. The loads take turns,
round after round, after one that warms up. A line has the median of the rounds, and its slowest
and fastest. "Beside sign-ins" means that 17 connections sign in with passwords all the time: two
are worked on, the others wait. The quiet and the noisy client ask at the same time. Memory is the
proportional set size (PSS), "loaded" after all rounds: of the libraries that processes share each
has its part. Who runs one process and nothing else on a machine needs what is resident. A start is
from exec to the first token, on a database that is there."""


def _rows(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _plot(results: Mapping[str, Result]) -> Iterator[str]:
    """Bars, as GitHub draws them."""
    bars = {PLOTTED[name]: round(results[name].per_second) for name in PLOTTED if name in results}
    yield "```mermaid"
    yield "xychart-beta"
    yield "    x-axis [" + ", ".join(f'"{name}"' for name in bars) + "]"
    yield '    y-axis "tokens a second"'
    yield f"    bar {list(bars.values())}"
    yield "```"


PLOTTED = {
    "bare, RS256, 16 connections": "bare RS256",
    "sqlite, RS256, 16 connections": "ours RS256",
    "node-oidc-provider, RS256, 16 connections": "node RS256",
    "bare, ES256, 16 connections": "bare ES256",
    "sqlite, ES256, 16 connections": "ours ES256",
    "node-oidc-provider, ES256, 16 connections": "node ES256",
}
