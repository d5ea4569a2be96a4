"""The results of a run for `docs/performance.md`, and its picture."""

from collections.abc import Iterator, Mapping

from benchmarks.measuring import Measured
from benchmarks.peers import PEERS
from benchmarks.picture import bars
from benchmarks.report import COLUMNS, BenchmarkReport
from benchmarks.scenarios import CONNECTIONS
from benchmarks.subjects import ALGORITHMS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
PICTURE = "images/performance.svg"
# Prefix of a load, and the name of the server. Those of other servers are the same.
SERVERS = {
    "bare": "bare app",
    "sqlite": "issuer, SQLite",
    "postgresql": "issuer, PostgreSQL",
    **{peer.name: f"{peer.name} {peer.version.partition('-')[0]}" for peer in PEERS},
}
KINDS = {"bare": "limit", "sqlite": "ours", "postgresql": "ours"}
COMPARED = ("RS256, 16", "RS256, 64", "ES256, 16", "ES256, 64")
OTHERWISE = (
    "p50, 16",
    "p99, 16",
    "p50, 64",
    "p99, 64",
    "errors",
    "memory",
    "memory, loaded",
    "start, s",
)
DATABASES = (
    ("empty, sqlite", "SQLite, empty"),
    ("full, sqlite", "SQLite, large"),
    ("empty, postgresql", "PostgreSQL, empty"),
    ("full, postgresql", "PostgreSQL, large"),
)
WORDS = {
    "sqlite": "issuer, SQLite",
    "postgresql": "issuer, PostgreSQL",
    "bare": "bare app",
    "open": "without authentication",
    "stock": "agno with a file of keys",
    "adapter": "with the verifier",
    "unverified": "a verification that costs nothing",
    "feed": "revocation feed",
    "JWKS": "key set",
}


def written_into(page: str, report: BenchmarkReport) -> str:
    """The page with the results replaced by those of this run."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return "\n".join([before + BEGIN, "", *results(report), "", END + after])


def picture(report: BenchmarkReport) -> str:
    """The servers side by side, as SVG."""
    panels = {
        f"{alg} tokens a second, {CONNECTIONS} connections": {
            title: result.per_second
            for server, title in SERVERS.items()
            if (result := report.results.get(f"{server}, {alg}, {CONNECTIONS} connections"))
        }
        for alg in ALGORITHMS
    }
    kinds = {title: KINDS.get(server, "other") for server, title in SERVERS.items()}
    return bars("Tokens a second beside other servers", panels, kinds)


def results(report: BenchmarkReport) -> Iterator[str]:
    """What is measured, as lines of Markdown. Targets are shown on the terminal only."""
    yield "### Machine"
    yield ""
    yield from (f"- {name}: {text}" for name, text in report.machine.items())
    yield f"- command: `{report.command}`"
    yield ""
    yield "### Beside other servers"
    yield ""
    yield "Tokens a second, by algorithm and connections:"
    yield ""
    yield from _rows(("", *COMPARED), _compared(report.results))
    yield ""
    yield (
        "Milliseconds and errors of RS256 by connections, resident memory in MB before the first "
        "load and after the last one, and the time from the start to the first token:"
    )
    yield ""
    yield from _rows(("", *OTHERWISE), _otherwise(report))
    yield ""
    for line in report.left_out_lines():
        yield line
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


def _readable(name: str) -> str:
    return ", ".join(WORDS.get(word, word) for word in name.split(", "))


def _compared(results: Mapping[str, Measured]) -> Iterator[tuple[str, ...]]:
    for server, title in SERVERS.items():
        found = [results.get(f"{server}, {load} connections") for load in COMPARED]
        if any(found):
            yield (title, *(f"{each.per_second:,.0f}" if each else "–" for each in found))


def _otherwise(report: BenchmarkReport) -> Iterator[tuple[str, ...]]:
    for server, title in SERVERS.items():
        loads = [report.results.get(f"{server}, RS256, {many} connections") for many in (16, 64)]
        if not all(loads):
            continue
        times = [f"{time:.1f}" for load in loads for time in (load.p50, load.p99)]
        errors = sum(load.errors for load in loads)
        names = (f"resident idle, {server}: MB", f"resident loaded, {server}: MB")
        memory = [_figure(report.figures.get(name), 0) for name in names]
        start = _figure(report.figures.get(f"start, {server}: s"), 2)
        yield (title, *times, str(errors), *memory, start)


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _scale(figures: Mapping[str, float]) -> Iterator[tuple[str, ...]]:
    """Every number of the large database on SQLite beside that of the others."""
    for name in figures:
        if name.startswith("scale, full, sqlite, "):
            what = name.removeprefix("scale, full, sqlite, ")
            found = [figures.get(f"scale, {database}, {what}") for database, _ in DATABASES]
            yield what.replace(": rows", "").replace(": ", ", "), *(_digits(each) for each in found)


def _digits(value: float | None) -> str:
    """With as many digits as count."""
    return "–" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _rows(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|---|{'---:|' * (len(columns) - 1)}"
    yield from (f"| {' | '.join(row)} |" for row in rows)
