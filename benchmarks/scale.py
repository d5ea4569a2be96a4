"""How much slower an issuer with a large database is than one with an empty database.

    python -m benchmarks.scale [--users 1000000] [--clients 100000] [--roles 1000] [--trusts 10000]
        [--verifiers 1000] [--events 1000000] [--rounds 5] [--seconds 3] [--json FILE]

Three issuers on SQLite, each with a server in one process on the same core: `empty`, `full` of
users, clients and everything else, and `grown`, whose audit log has many events. They take turns.

tokens     a second, for 200 clients in turn
REST       a page of 100 from the admin API
memory     after all pages of the console
start      from the start of one more server to its first token

Everything else is one at a time, by one caller.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.audit_verify import fill
from benchmarks.filling import TRUSTED_ISSUERS, Filling, trust
from benchmarks.load import Load, megabytes, on_core, wrk
from benchmarks.scenarios import TOKEN
from benchmarks.scripts import in_turn, post
from benchmarks.subjects import seconds_to_first_token
from benchmarks.targets import P99, RATE
from issuer.telemetry import logs
from tests.drivers import AdminApi
from tests.journeys.running_issuer import OURS, RunningIssuer
from tests.oauth.asserting import form_of
from tests.web.browsing import Browser

CALLERS = 200
ROLES = 10
TIMES = 10
# Longer than a server takes to see that something has changed.
UNTIL_SEEN = 0.4
METRICS_TOKEN = "metrics-0123456789abcdef0123456789"
PAGES = {
    "the overview": "/console",
    "users": "/console/users",
    "a search for users": "/console/users?search=user-0",
    "a search for a part of a name": "/console/users?search=nobody",
    "a user": f"/console/users/usr_{0:020}",
    "clients": "/console/clients",
    "a client": "/console/clients/client-000000",
    "roles": "/console/roles",
    "a role": "/console/roles/role-0",
    "an audience": "/console/audiences/my-os",
    "trusted issuers": "/console/trusted-issuers",
    "a trusted issuer": "/console/trusted-issuers/cluster-0",
    "keys": "/console/keys",
    "verifiers": "/console/keys/verifiers",
    "the audit log": "/console/audit",
    "a search in the audit log": "/console/audit?target=client-000000",
    "refusals in the audit log": "/console/audit?outcome=refused",
    "an explanation": "/console/explain?subject=user-0&audience=my-os&method=GET&path=/agents",
}


@dataclass(frozen=True)
class Size:
    """How many rows of each. By default there is what the measurements need."""

    users: int = 1
    clients: int = CALLERS
    roles: int = ROLES
    trusts: int = 1
    verifiers: int = 1
    events: int = 0


class Filled:
    """An issuer with a filled database, and its measurements. Times are in milliseconds."""

    def __init__(self, folder: Path, size: Size) -> None:
        folder.mkdir()
        self._folder = folder
        self.issuer = RunningIssuer(
            folder, program=on_core(0, OURS), password_hash="rfc9106", metrics_token=METRICS_TOKEN
        )
        services = self.issuer.deployment.services
        # The callers are the same everywhere, including the scopes of the tokens.
        self._filling = Filling(services)
        self._filling.roles(size.roles)
        self._filling.users(size.users)
        self._clients = self._filling.clients(size.clients, size.trusts)
        self._cluster = self._filling.trusted_issuers()[(size.clients - 1) % TRUSTED_ISSUERS]
        if size.events:
            services.keys.keyring.reload()
            fill(services, size.events)
        self.issuer.deployment.role("operator", ["issuer:admin"])
        self.issuer.deployment.user("operator", ["operator"])
        self._size = size
        self.loads: list[Load] = []

    def load(self, seconds: int) -> Load:
        asks = [
            post(TOKEN, caller, grant_type="client_credentials")
            for caller in self._clients[:CALLERS]
        ]
        return wrk(self.issuer.url, self._folder, script=in_turn(asks), seconds=seconds)

    def numbers(self) -> Iterator[tuple[str, float]]:
        """By `what: unit`."""
        for what, number in asdict(self._size).items():
            yield f"{what}: rows", number
        yield f"tokens: {RATE}", median(load.per_second for load in self.loads)
        yield f"tokens: {P99}", median(load.p99 for load in self.loads)
        yield "tokens: errors", sum(load.errors for load in self.loads)
        endpoint, deployment = self.issuer.token_endpoint, self.issuer.deployment
        client = self._clients[0]
        yield "token by a trust: ms", taken(self._by_trust)
        yield "sign-in: ms", taken(lambda: endpoint.password(client, "user-0").token)
        first = taken(lambda: endpoint.client_credentials(client).token, self._bump)
        yield "first token after a change: ms", first
        yield "a change: ms", taken(self._change)
        admin = AdminApi(self.issuer.http, endpoint.client_credentials(deployment.admin).token)
        for what in ("users", "audit-events"):
            yield f"{what} by REST: ms", taken(lambda what=what: page(admin, what))
        keys = self.issuer.http.get("/.well-known/jwks.json").json()["keys"]
        self._filling.verifiers(self._size.verifiers, [key["kid"] for key in keys])
        browser = self._console()
        for what, path in PAGES.items():
            yield f"page of {what}: ms", taken(lambda path=path: seen(browser, path))
        yield "/metrics: ms", taken(self._metrics)
        yield "memory: MB", megabytes(self.issuer.pid)
        yield "database: MB", sum(file.stat().st_size for file in self._files()) / 1024**2
        yield "issuer doctor: s", taken(lambda: self._command("doctor"), times=3) / 1000
        verify = taken(lambda: self._command("audit", "verify"), times=1)
        yield "issuer audit verify: s", verify / 1000
        yield "start: s", median(seconds_to_first_token(self.issuer, client) for _ in range(3))

    def _by_trust(self) -> None:
        """The last client, which has a trust if any does."""
        number = self._size.clients - 1
        subject, client_id = trust(number)["subject"], self._clients[-1].client_id
        token = self._cluster.token(time.time(), sub=subject, aud=[self.issuer.url])
        form = form_of(token, client_id=client_id)
        self.issuer.http.post(TOKEN, data=form).raise_for_status()

    def _metrics(self) -> None:
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        self.issuer.http.get("/metrics", headers=headers).raise_for_status()

    def _console(self) -> Browser:
        """The operator signed in just now."""
        browser = Browser(self.issuer.http, self.issuer.url)
        answer = browser.sign_in("operator")
        assert answer.status == httpx.codes.SEE_OTHER, answer.text
        return browser

    def _command(self, *words: str) -> None:
        subprocess.run(
            [*on_core(0, OURS), *words],
            env=self.issuer.environment,
            cwd=self._folder,
            check=True,
            capture_output=True,
        )

    def _bump(self) -> None:
        self._change()
        time.sleep(UNTIL_SEEN)

    def _change(self) -> None:
        """As an operator on the command line."""
        self.issuer.deployment.role(f"new-{time.monotonic_ns()}", ["agents:run"])

    def _files(self) -> Iterator[Path]:
        return (self._folder / "data").glob("*.db*")


def page(admin: AdminApi, what: str) -> None:
    answer = admin.get(f"/{what}", params={"limit": 100})
    assert answer.status_code == httpx.codes.OK, answer.text


def seen(browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert page.status == httpx.codes.OK, (path, page.status, page.text)


def taken(
    call: Callable[[], object], before: Callable[[], None] = lambda: None, times: int = TIMES
) -> float:
    """Milliseconds: the median of some calls, after one that warms up."""
    found = []
    for _ in range(times + 1):
        before()
        began = time.perf_counter()
        call()
        found.append(1000 * (time.perf_counter() - began))
    return median(found[1:])


def measured(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """By issuer and number."""
    # The callers are the same everywhere, including the scopes of the tokens.
    empty = Size()
    full = Size(options.users, options.clients, options.roles, options.trusts, options.verifiers, 0)
    sizes = {"empty": empty, "full": full, "grown": replace(empty, events=options.events)}
    issuers: dict[str, Filled] = {}
    with ExitStack() as running:
        for name, size in sizes.items():
            issuers[name] = Filled(folder / name, size)
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
    parser.add_argument("--trusts", type=int, default=10_000, help="in as many clients")
    parser.add_argument("--verifiers", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=1_000_000, help="in the audit log of `grown`")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load on each issuer per round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="for `python -m benchmarks`")
    options = parser.parse_args()
    logs.configure("warning")
    os.umask(0o077)  # as of the command line, since `issuer doctor` looks at it
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
