"""How much slower an issuer with a large database is than one with an empty database.

    python -m benchmarks.scale [--users 1000000] [--clients 100000] [--roles 1000]
        [--events 1000000] [--rounds 5] [--seconds 3] [--json FILE]

Three issuers on SQLite, each with a server in one process on the same core: `empty`, `full` of
users, clients and roles, and `grown`, whose audit log has many events. They take turns.

tokens     a second, for 200 clients in turn
sign-in    with a password, one at a time
bump       the first token after an operator has changed something
list       a page of 100 users, and of 100 events of the audit log
memory     after all that
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.audit_verify import fill
from benchmarks.filling import Filling
from benchmarks.load import Load, megabytes, on_core, wrk
from benchmarks.scenarios import TOKEN
from benchmarks.scripts import in_turn, post
from benchmarks.targets import P99, RATE
from issuer.telemetry import logs
from tests.drivers import AdminApi
from tests.journeys.running_issuer import OURS, RunningIssuer

CALLERS = 200
ROLES = 10
TIMES = 10
# Longer than a server takes to see that something has changed.
UNTIL_SEEN = 0.4


class Filled:
    """An issuer with a filled database, and its measurements. Times are in milliseconds."""

    def __init__(self, folder: Path, users: int, clients: int, roles: int, events: int) -> None:
        folder.mkdir()
        self._folder = folder
        self.issuer = RunningIssuer(folder, program=on_core(0, OURS), password_hash="rfc9106")
        services = self.issuer.deployment.services
        # The callers are the same everywhere, including the scopes of the tokens.
        users, clients, roles = max(users, 1), max(clients, CALLERS), max(roles, ROLES)
        filling = Filling(services)
        filling.roles(roles)
        filling.users(users)
        self._callers = filling.clients(clients)[:CALLERS]
        if events:
            services.keys.keyring.reload()
            fill(services, events)
        self._rows = {"users": users, "clients": clients, "roles": roles, "events": events}
        self.loads: list[Load] = []

    def load(self, seconds: int) -> Load:
        asks = [post(TOKEN, caller, grant_type="client_credentials") for caller in self._callers]
        return wrk(self.issuer.url, self._folder, script=in_turn(asks), seconds=seconds)

    def numbers(self) -> Iterator[tuple[str, float]]:
        """By `what: unit`."""
        for what, number in self._rows.items():
            yield f"{what}: rows", number
        yield f"tokens: {RATE}", median(load.per_second for load in self.loads)
        yield f"tokens: {P99}", median(load.p99 for load in self.loads)
        yield "tokens: errors", sum(load.errors for load in self.loads)
        endpoint, deployment = self.issuer.token_endpoint, self.issuer.deployment
        client = self._callers[0]
        yield "sign-in: ms", taken(lambda: endpoint.password(client, "user-0").token)
        yield "bump: ms", taken(lambda: endpoint.client_credentials(client).token, self._bump)
        admin = AdminApi(self.issuer.http, endpoint.client_credentials(deployment.admin).token)
        for what in ("users", "audit-events"):
            yield f"list of {what}: ms", taken(lambda what=what: page(admin, what))
        yield "memory: MB", megabytes(self.issuer.pid)
        yield "database: MB", sum(file.stat().st_size for file in self._files()) / 1024**2

    def _bump(self) -> None:
        self.issuer.deployment.role(f"bump-{time.monotonic_ns()}", ["agents:run"])
        time.sleep(UNTIL_SEEN)

    def _files(self) -> Iterator[Path]:
        return (self._folder / "data").glob("*.db*")


def page(admin: AdminApi, what: str) -> None:
    answer = admin.get(f"/{what}", params={"limit": 100})
    assert answer.status_code == httpx.codes.OK, answer.text


def taken(call: Callable[[], object], before: Callable[[], None] = lambda: None) -> float:
    """The median of some calls, after one that warms up."""
    found = []
    for _ in range(TIMES + 1):
        before()
        began = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - began))
    return median(found[1:])


def measured(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """By issuer and number."""
    full = (options.users, options.clients, options.roles)
    sizes = {"empty": (0, 0, 0, 0), "full": (*full, 0), "grown": (0, 0, 0, options.events)}
    issuers: dict[str, Filled] = {}
    with ExitStack() as running:
        for name, numbers in sizes.items():
            if name == "empty" or any(numbers):
                issuers[name] = Filled(folder / name, *numbers)
        for filled in issuers.values():
            running.enter_context(filled.issuer)
        for number in range(options.rounds + 1):
            for filled in issuers.values():
                load = filled.load(options.seconds)
                if number:  # the first round warms up
                    filled.loads.append(load)
        return {name: dict(filled.numbers()) for name, filled in issuers.items()}


def show(found: dict[str, dict[str, float]]) -> None:
    table = Table("", *found)
    for name in found["empty"]:
        table.add_row(name, *(f"{numbers[name]:,.1f}" for numbers in found.values()))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--roles", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=1_000_000, help="in the audit log of `grown`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load on each issuer per round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for `python -m benchmarks`")
    options = parser.parse_args()
    logs.configure("warning")
    with tempfile.TemporaryDirectory() as folder:
        found = measured(options, Path(folder))
    show(found)
    if options.json:
        numbers = {
            f"scale, {issuer}, {name}": value
            for issuer, each in found.items()
            for name, value in each.items()
        }
        options.json.write_text(json.dumps(numbers, indent=2) + "\n")


if __name__ == "__main__":
    main()
