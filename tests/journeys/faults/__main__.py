"""Measure what callers are answered while something happens to the database.

python -m tests.journeys.faults [--only NAME] [--write-docs]
"""

import argparse
import tempfile
from pathlib import Path

from tests.journeys.faults.cases import CASES, FaultCase
from tests.journeys.faults.load import CHANGE, READ, REVOKE, TOKEN, statuses
from tests.journeys.faults.site import FaultOutcome

PAGE = Path(__file__).parents[3] / "docs/reference/faults.md"
COLUMNS = (
    "fault",
    "token requests: 200",
    "503",
    "other",
    "longest",
    "longest of the admin API",
    "a token again after",
    "tokens not in the audit log",
    "tokens of disabled clients",
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.faults", description=__doc__)
    parser.add_argument("--only", metavar="NAME", help="one of them")
    parser.add_argument("--write-docs", action="store_true", help=f"write the table to {PAGE.name}")
    options = parser.parse_args()
    lines = [f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 1)}"]
    for case in CASES:
        if options.only in {None, case.name}:
            lines.append(row(case))
            print(lines[-1], flush=True)  # noqa: T201 - a program
    if options.write_docs:
        before, _, _ = PAGE.read_text().partition(lines[0])
        PAGE.write_text("\n".join([before + lines[0], *lines[1:], ""]))


def row(case: FaultCase) -> str:
    with tempfile.TemporaryDirectory() as folder:
        outcome = case.outcome(Path(folder))
    cells = (case.name, *map(str, numbers(outcome)))
    return f"| {' | '.join(cells)} |"


def numbers(outcome: FaultOutcome) -> tuple[object, ...]:
    counted = statuses(outcome.tokens)
    expected = (200, 503, 401)
    others = sum(number for status, number in counted.items() if status not in expected)
    slowest = {
        kind: max((each.seconds for each in outcome.answers if each.kind in kinds), default=0)
        for kind, kinds in (("tokens", {TOKEN, REVOKE}), ("admin", {READ, CHANGE}))
    }
    return (
        f"{counted[200]:,}",
        f"{counted[503]:,}",
        others,
        f"{slowest['tokens']:.1f} s",
        f"{slowest['admin']:.1f} s",
        f"{max(outcome.recovered):.1f} s",
        len(outcome.lost),
        len(outcome.stale),
    )


if __name__ == "__main__":
    main()
