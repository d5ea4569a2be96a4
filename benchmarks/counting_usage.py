"""What counting which scopes are used costs an AgentOS.

    python -m benchmarks.counting_usage [--rounds 7] [--calls 20000]

A decision of agno about one agent, stock and observed, each within a request of its own, for as
many subjects as are counted by name. The CPU time of the fastest round in µs, since a busy machine
makes others slower, and the memory of the counts.
"""

import argparse
import time
import tracemalloc
from collections.abc import Callable
from itertools import cycle
from typing import Any

from agno.os import scopes
from rich.console import Console
from rich.table import Table

from issuer.agentos import agno_decisions, caller
from issuer.agentos.usage import MOST_COUNTS, Counts, Decisions

ISSUER = "https://id.example"
MOST_MICROSECONDS = 3.0
HELD = ["agents:run", "agents:read"]


def requests(counts: Counts) -> Callable[[], None]:
    """A request that is authenticated and decided about once, by another subject each time."""
    claims = [
        {"iss": ISSUER, "sub": f"usr_{number}", "client_id": "app"} for number in range(MOST_COUNTS)
    ]
    turn = cycle(claims)
    scope: dict[str, Any] = {"path": "/agents/web/runs"}

    def one() -> None:
        decisions = Decisions(counts, ISSUER, is_socket=False)
        with caller.in_request(scope, decisions):
            caller.accept("token", next(turn))
            scopes.has_required_scopes(HELD, ["agents:run"], "agents", "web")

    return one


def measured(call: Callable[[], None], rounds: int, calls: int) -> float:
    """Microseconds of a call."""
    results = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(calls):
            call()
        results.append((time.process_time() - started) / calls * 1e6)
    return min(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--calls", type=int, default=20_000)
    options = parser.parse_args()
    counts = Counts()
    one = requests(counts)
    stock = measured(one, options.rounds, options.calls)
    agno_decisions.observe()
    tracemalloc.start()
    for _ in range(MOST_COUNTS + 1):
        one()
    memory, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    observed = measured(one, options.rounds, options.calls)
    table = Table("a decision", "µs")
    table.add_row("stock agno", f"{stock:.1f}")
    table.add_row("observed", f"{observed:.1f}")
    Console().print(table)
    print(f"{len(counts):,} counts take {memory / 1e6:.0f} MB.")
    print(f"Counting takes {observed - stock:.1f} µs; the target is {MOST_MICROSECONDS:.0f} µs.")


if __name__ == "__main__":
    main()
