"""How fast the issuer is, compared with its upper bounds and with another server.

    python -m benchmarks [--quick] [--only WORDS] [--json FILE] [--scale FILE] [--write-docs]

Everything is measured in one run; `docs/performance.md` says how.
"""

import argparse
import json
import shlex
import sys
import tempfile
from pathlib import Path

from benchmarks import agentos_adapter, page, peers
from benchmarks.machine import machine
from benchmarks.measuring import Bench, Measured, result_of
from benchmarks.report import BenchmarkReport
from benchmarks.scenarios import scenarios
from issuer.telemetry import logs

DOCS = Path(__file__).parents[1] / "docs" / "performance.md"
AGENTOS = "AgentOS"


def main() -> None:
    options = parsed()
    logs.configure("warning")
    report = measured(options)
    report.show()
    if options.json:
        options.json.write_text(json.dumps(report.for_machines(), indent=2) + "\n")
    if options.write_docs:
        DOCS.write_text(page.written_into(DOCS.read_text(), report))
        (DOCS.parent / page.PICTURE).write_text(page.picture(report))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each load in a round")
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--only", metavar="WORDS", help="loads with these words in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all numbers there")
    parser.add_argument(
        "--scale", type=Path, metavar="FILE", help="what `python -m benchmarks.scale --json` wrote"
    )
    parser.add_argument("--write-docs", action="store_true", help="write docs/performance.md")
    options = parser.parse_args()
    if options.quick:
        options.rounds = options.seconds = 1
    return options


def measured(options: argparse.Namespace) -> BenchmarkReport:
    words = options.only or ""
    chosen = [scenario for scenario in scenarios() if words in scenario.name]
    here = machine()
    with (
        tempfile.TemporaryDirectory() as folder,
        Bench(chosen, Path(folder), options.rounds) as bench,
    ):
        results = bench.measure(options.seconds)
        bench.start_again()
    if words in AGENTOS:
        results |= agentos(options)
    if not results:
        raise SystemExit(f"Nothing that is measured has {words!r} in its name.")
    command = shlex.join(["python", "-m", "benchmarks", *(Path(arg).name for arg in sys.argv[1:])])
    missing = {
        peer.name: "it is not installed (`python -m benchmarks.peers`)"
        for peer in peers.PEERS
        if not peer.is_installed()
    }
    scale = json.loads(options.scale.read_text()) if options.scale else {}
    return BenchmarkReport(here, command, results, bench.numbers | scale, bench.left_out | missing)


def agentos(options: argparse.Namespace) -> dict[str, Measured]:
    loads, _ = agentos_adapter.measured(options.rounds, options.seconds)
    return {f"{AGENTOS}, {kind}": result_of(each) for kind, each in loads.items()}


if __name__ == "__main__":
    main()
