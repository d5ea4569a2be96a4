"""The cost of writing each token's audit event durably before the token is sent.

    python -m benchmarks.durable_audit [--rounds 5] [--seconds 5] [--connections 64] [--alg RS256]
        [--database sqlite]

Two servers with one data directory, each one process on the same core: unchanged, and with an audit
log that stores nothing. The load is on one of them at a time, round after round.
PostgreSQL has its usual durability (fsync, on /tmp). CPU time per request is that of the server
only, so it is also meaningful on a busy machine.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.load import Load, cpu_seconds, wrk
from benchmarks.running import running
from issuer.clock import Clock
from issuer.composition import Composition, compose
from issuer.settings import Settings
from tests.builders import Credentials, Deployment, initialised
from tests.databases import SETTINGS, PostgreSQL, running_server

KINDS = ("nothing", "durable")
DATABASES = ("sqlite", "postgresql")
# On disk: in memory a flush costs nothing. Not TMPDIR, which other users may not read.
ON_DISK = Path("/tmp")


@contextmanager
def database(kind: str) -> Iterator[dict[str, str]]:
    """Environment variables for an empty database of that kind."""
    if kind == "sqlite":
        yield {}
        return
    SETTINGS.update({"fsync": "on", "full_page_writes": "on", "log_min_messages": "panic"})
    with ExitStack() as held:
        with Path(os.devnull).open("w") as nothing, redirect_stderr(nothing):
            host = held.enter_context(running_server(ON_DISK))
        yield {"ISSUER_DATABASE_URL": held.enter_context(PostgreSQL(host).database())}


def measured(kind: str, options: argparse.Namespace, workdir: Path) -> Iterator[Sequence[str]]:
    """The rows of the table for one database."""
    with ExitStack() as running_parts:
        environment = {
            "ISSUER_DATA_DIR": str(workdir / kind),
            "ISSUER_SIGNING_ALGORITHMS": options.alg,
            **running_parts.enter_context(database(kind)),
        }
        credentials = prepared(environment)
        ports = {server: 7811 + number for number, server in enumerate(KINDS)}
        pids = {
            server: running_parts.enter_context(
                running(
                    [sys.executable, "-m", "benchmarks.token_server", server, port],
                    f"http://127.0.0.1:{port}/readyz",
                    environment,
                )
            )
            for server, port in ports.items()
        }
        loads: dict[str, list[Load]] = {server: [] for server in KINDS}
        costs: dict[str, list[float]] = {server: [] for server in KINDS}
        for number in range(options.rounds + 1):
            for server, port in ports.items():
                before = cpu_seconds(pids[server])
                load = wrk(
                    f"http://127.0.0.1:{port}/oauth2/token",
                    workdir,
                    form=(credentials, "grant_type=client_credentials"),
                    seconds=options.seconds,
                    connections=options.connections,
                )
                if number:  # the first round warms up
                    loads[server].append(load)
                    costs[server].append((cpu_seconds(pids[server]) - before) / load.requests * 1e6)
    rate = {server: median(load.per_second for load in loads[server]) for server in KINDS}
    cost = {server: median(costs[server]) for server in KINDS}
    for server in KINDS:
        yield (
            kind,
            server,
            f"{rate[server]:.0f}",
            f"{rate[server] / rate['nothing']:.0%}",
            f"{cost[server]:.0f}",
            f"{cost['nothing'] / cost[server]:.0%}",
            f"{median(load.p50 for load in loads[server]):.1f}",
            f"{median(load.p99 for load in loads[server]):.1f}",
            str(sum(load.errors for load in loads[server])),
        )


def prepared(environment: dict[str, str]) -> str:
    """Initialise the data directory; returns the credentials of a client."""
    with deployment_with_client(Settings.from_environment(environment)) as (_, client):
        return f"{client.client_id}:{client.client_secret}"


@contextmanager
def deployment_with_client(settings: Settings) -> Iterator[tuple[Composition, Credentials]]:
    """A new data directory, and a client that may get tokens for its only audience."""
    admin = initialised(settings, Clock())
    services = compose(settings)
    with httpx.Client() as http:
        deployment = Deployment(services, admin, http)
        deployment.audience("my-os")
        yield services, deployment.client("ci-bot", scopes=["agents:run", "agents:read"])
    services.database.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of load on each server a round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--alg", default="RS256")
    parser.add_argument("--database", choices=DATABASES)
    options = parser.parse_args()
    columns = (
        "database",
        "audit log",
        "tokens/s",
        "of that",
        "CPU µs",
        "of that",
        "p50 ms",
        "p99 ms",
    )
    table = Table(*columns, "errors")
    with tempfile.TemporaryDirectory() as folder:
        for kind in [options.database] if options.database else DATABASES:
            for row in measured(kind, options, Path(folder)):
                table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
