"""The throughput of an AgentOS with the adapter, compared with stock agno.

    python -m benchmarks.agentos_adapter [--rounds 5] [--seconds 5] [--path /agents]

Four AgentOS servers, each one process on the same core: without checks, with agno's own key file,
with the adapter, and with agno's other checks after a verification that costs nothing. They are
loaded in turn, round after round, with 200 different tokens. The ratio of adapter and key file is
the result; that of the last shows what the rest of agno's checks leaves. CPU time per request is
meaningful on a busy machine, too.
"""

import argparse
import json
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.load import Load, cpu_seconds, wrk
from benchmarks.running import running
from tests.agentos.tokens import Tokens

KINDS = ("open", "stock", "adapter", "unverified")
TOKENS = 200
SERVER = [sys.executable, "-m", "benchmarks.agentos_server"]


@contextmanager
def publishing(tokens: Tokens) -> Iterator[str]:
    """A key set as an issuer publishes it, and the URL of that issuer."""

    class MetadataHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            metadata = {"issuer": tokens.issuer, "jwks_uri": f"{tokens.issuer}/jwks.json"}
            body = json.dumps(tokens.jwks if self.path == "/jwks.json" else metadata).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Cache-Control", "max-age=5")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), MetadataHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def show(loads: dict[str, list[Load]], costs: dict[str, list[float]]) -> None:
    table = Table("", *(("req/s", "slowest", "fastest", "p50 ms", "p99 ms", "CPU µs", "errors")))
    for kind, each in loads.items():
        rates = [load.per_second for load in each]
        numbers = [median(rates), min(rates), max(rates)]
        latencies = [median(load.p50 for load in each), median(load.p99 for load in each)]
        table.add_row(
            kind,
            *(f"{number:.0f}" for number in numbers),
            *(f"{number:.1f}" for number in latencies),
            f"{median(costs[kind]):.0f}",
            str(sum(load.errors for load in each)),
        )
    Console().print(table)
    rate = {kind: median(load.per_second for load in each) for kind, each in loads.items()}
    for kind in ("adapter", "unverified"):
        cost = median(costs[kind]) / median(costs["stock"])
        print(f"{kind} against stock: {rate[kind] / rate['stock']:.2f} × the requests a second,")
        print(f"{cost:.2f} × the CPU time of a request.")


def measured(
    rounds: int, seconds: int, path: str = "/agents"
) -> tuple[dict[str, list[Load]], dict[str, list[float]]]:
    """Loads and CPU time a request (µs) of each kind, by round."""
    tokens = Tokens()
    with ExitStack() as servers, tempfile.TemporaryDirectory() as directory:
        workdir = Path(directory)
        tokens.issuer = servers.enter_context(publishing(tokens))
        jwks_file = tokens.write_jwks(workdir)
        bearers = [tokens.issue(["agents:read"], sub=f"usr_{n}") for n in range(TOKENS)]
        ports = {kind: 7801 + number for number, kind in enumerate(KINDS)}
        pids = {
            kind: servers.enter_context(
                running(
                    [*SERVER, kind, port, tokens.issuer, jwks_file],
                    f"http://127.0.0.1:{port}/health",
                )
            )
            for kind, port in ports.items()
        }
        loads: dict[str, list[Load]] = {kind: [] for kind in KINDS}
        costs: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for number in range(rounds + 1):
            for kind, port in ports.items():
                before = cpu_seconds(pids[kind])
                load = wrk(
                    f"http://127.0.0.1:{port}{path}", workdir, bearers=bearers, seconds=seconds
                )
                if number:  # the first round warms up
                    loads[kind].append(load)
                    costs[kind].append((cpu_seconds(pids[kind]) - before) / load.requests * 1e6)
    return loads, costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load on each server a round")
    parser.add_argument("--path", default="/agents")
    options = parser.parse_args()
    show(*measured(options.rounds, options.seconds, options.path))


if __name__ == "__main__":
    main()
