"""The results, for a terminal, as JSON, and for `docs/performance.md`."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measuring import Measured
from benchmarks.targets import TARGETS, Target, p99, rate

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLUMNS = ("requests/s", "slowest", "fastest", "p50 ms", "p99 ms", "errors")


@dataclass(frozen=True)
class BenchmarkReport:
    """One run. `figures` are the numbers that do not belong to a load, by `what: unit`."""

    machine: Mapping[str, str]
    command: str
    results: Mapping[str, Measured]
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

    def written_into(self, page: str) -> str:
        """The page `docs/performance.md` with the results replaced by this run."""
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        return "\n".join([before + BEGIN, "", *_markdown(self), "", END + after])

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


def _markdown(report: BenchmarkReport) -> Iterator[str]:
    """The results for the page. Targets are shown on the terminal only."""
    yield "### Machine"
    yield ""
    yield from (f"- {name}: {text}" for name, text in report.machine.items())
    yield f"- command: `{report.command}`"
    yield ""
    yield "### Tokens a second beside other servers"
    yield ""
    yield from _rows(("", *(title for _, title in SERVERS)), _compared(report.results))
    yield ""
    yield from _plot(report.results)
    yield ""
    yield "### All loads"
    yield ""
    yield from _rows(
        ("", *COLUMNS), ((_readable(name), *rest) for name, *rest in report.load_rows())
    )
    yield ""
    yield "### Memory and start"
    yield ""
    yield from _rows(
        ("", ""),
        (
            (_readable(name), value)
            for name, value in report.figure_rows()
            if not name.startswith("scale, ")
        ),
    )
    scale = list(_scale(report.figures))
    if scale:
        yield ""
        yield "### Large databases"
        yield ""
        yield from _rows(("", *(title for _, title in DATABASES)), iter(scale))


# Prefix of a load, and the title of its column.
SERVERS = (
    ("bare", "bare app"),
    ("sqlite", "issuer, SQLite"),
    ("node-oidc-provider", "node-oidc-provider"),
)
DATABASES = (
    ("empty", "empty"),
    ("full", "many users and clients"),
    ("grown", "many audit events"),
)
SCALE = {
    "users: rows": "users",
    "clients: rows": "clients",
    "events: rows": "audit events",
    "tokens: per second": "tokens a second",
    "tokens: p99": "p99 of a token, ms",
    "sign-in: ms": "one sign-in, ms",
    "bump: ms": "first token after a change, ms",
    "list of users: ms": "page of users, ms",
    "list of audit-events: ms": "page of audit events, ms",
    "memory: MB": "memory, MB",
    "database: MB": "database, MB",
}
WORDS = {
    "sqlite": "issuer, SQLite",
    "postgresql": "issuer, PostgreSQL",
    "bare": "bare app",
    "open": "without authentication",
    "stock": "agno with a file of keys",
    "adapter": "with the verifier",
    "feed": "revocation feed",
    "JWKS": "key set",
}


def _readable(name: str) -> str:
    return ", ".join(WORDS.get(word, word) for word in name.split(", "))


def _compared(results: Mapping[str, Measured]) -> Iterator[tuple[str, ...]]:
    for load in ("RS256, 16", "RS256, 64", "ES256, 16", "ES256, 64"):
        found = [results.get(f"{server}, {load} connections") for server, _ in SERVERS]
        rates = (f"{each.per_second:,.0f}" if each else "–" for each in found)
        yield (f"{load} connections", *rates)


def _scale(figures: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    for name, title in SCALE.items():
        found = [figures.get(f"scale, {database}, {name}") for database, _ in DATABASES]
        if any(each is not None for each in found):
            yield (
                title,
                *(
                    "–" if each is None else f"{each:,.4g}" if each < 1000 else f"{each:,.0f}"
                    for each in found
                ),
            )


def _rows(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)


def _plot(results: Mapping[str, Measured]) -> Iterator[str]:
    """Bars, in Mermaid."""
    bars = {PLOTTED[name]: round(results[name].per_second) for name in PLOTTED if name in results}
    yield "```mermaid"
    yield "xychart-beta"
    yield "    x-axis [" + ", ".join(f'"{name}"' for name in bars) + "]"
    yield f'    y-axis "tokens a second" 0 --> {max(bars.values(), default=1)}'
    yield f"    bar {list(bars.values())}"
    yield "```"


PLOTTED = {
    "bare, RS256, 16 connections": "bare RS256",
    "sqlite, RS256, 16 connections": "issuer RS256",
    "node-oidc-provider, RS256, 16 connections": "node RS256",
    "bare, ES256, 16 connections": "bare ES256",
    "sqlite, ES256, 16 connections": "issuer ES256",
    "node-oidc-provider, ES256, 16 connections": "node ES256",
}
