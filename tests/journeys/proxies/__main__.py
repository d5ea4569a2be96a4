"""Measure what callers behind each proxy are answered, with each attack and without.

python -m tests.journeys.proxies [--seconds 60] [--write-docs]
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.journeys.proxies.load import KINDS, ProxyLoad, behind_proxies
from tests.journeys.proxies.servers import PAGE, PROXIES

HEADING = "## Measured"
COLUMNS = ("proxy", "attack", "answers", "misplaced", "refused", "answers to attackers")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.journeys.proxies", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="behind each proxy")
    parser.add_argument("--write-docs", action="store_true", help=f"write the table to {PAGE.name}")
    options = parser.parse_args()
    lines = []
    for line in table(options.seconds):
        print(line, flush=True)  # noqa: T201 - a program
        lines.append(line)
    if options.write_docs:
        before, _, _ = PAGE.read_text().partition(HEADING)
        PAGE.write_text(
            "\n".join([before + HEADING, "", explained(options.seconds), "", *lines, ""])
        )


def table(seconds: float) -> Iterator[str]:
    """In Markdown, a row as soon as it is measured."""
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|---|---|{'---:|' * (len(COLUMNS) - 2)}"
    with tempfile.TemporaryDirectory() as folder, behind_proxies(Path(folder)) as issuer:
        load = ProxyLoad.at(issuer)
        for proxy in PROXIES:
            with proxy.running(issuer.port, Path(folder) / proxy.name) as port:
                for kind in KINDS:
                    ledger = load.run(port, kind, seconds / len(KINDS))
                    numbers = (
                        ledger.answers,
                        len(ledger.misplaced),
                        ledger.refused,
                        ledger.to_attackers,
                    )
                    row = (proxy.name, kind, *(f"{number:,}" for number in numbers))
                    yield f"| {' | '.join(row)} |"


def explained(seconds: float) -> str:
    return f"""\
Measured for {seconds:g} s behind each proxy, and without one ("none"). Six clients with their own
secrets, audiences and scopes, one of them an administrator, request tokens and introspect them.
Each answer must belong to its request and its caller; any other answer is misplaced. "Refused" are
answers without success and missing answers. Six attackers send at the same time, as one client with
few rights:

- upgrades: `Upgrade: x`, `websocket` or `h2c` with a body that holds another request, whole or cut
- trailers: `Authorization`, `X-Forwarded-For` and `X-Request-Id` after a chunked body
- pipelining: 40 requests at once
- half-closes: a client that sends no more and still reads
- aborted requests: a client that disconnects in the middle, or before it is answered"""


if __name__ == "__main__":
    main()
