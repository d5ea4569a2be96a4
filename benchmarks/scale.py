"""How much slower an issuer with a large database is than one with an empty database.

    python -m benchmarks.scale [--database sqlite] [--users 1000000] [--clients 100000]
        [--roles 1000] [--groups 10000] [--trusts 10000] [--verifiers 1000] [--events 1000000]
        [--rounds 5] [--seconds 3] [--json FILE]

On each database an `empty` issuer and one that is `full` of users with two roles each, clients,
groups of 100 and everything else, each with a server in one process on the same core. They take
turns.

tokens                      a second, for 200 clients in turn
tokens beside four writers  the same, while four callers change users by the admin API
a change                    of a role on the command line, of a user by REST and by SCIM
REST                        a page of 100 from the admin API
export                      its time, and how much more memory the server has meanwhile
memory                      after all pages of the console
start                       from the start of one more server to its first token

Everything else is one at a time, by one caller. PostgreSQL flushes its commits.
"""

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from math import nan
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.audit_verify import fill
from benchmarks.filling import TRUSTED_ISSUERS, Filling, trust
from benchmarks.load import Load, megabytes, on_core, peak_megabytes, wrk
from benchmarks.scenarios import TOKEN
from benchmarks.scripts import in_turn, post
from benchmarks.subjects import seconds_to_first_token
from benchmarks.targets import P99, RATE
from issuer.telemetry import logs
from tests.databases import PostgreSQL, running_server
from tests.drivers import AdminApi
from tests.journeys.running_issuer import OURS, RunningIssuer
from tests.oauth.asserting import form_of
from tests.web.browsing import Browser

DATABASES = ("sqlite", "postgresql")
ON_DISK = {"fsync": "on", "full_page_writes": "on", "autovacuum": "on", "shared_buffers": "1GB"}
CALLERS = 200
ROLES = 10
MEMBERS = 100  # of a group
WRITERS = 4
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
FEW, TIMES, SECONDS = 10, 100, 3
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
    "an audience, further on": f"/console/audiences/my-os?after=users:usr_{500_000:020}",
    "trusted issuers": "/console/trusted-issuers",
    "a trusted issuer": "/console/trusted-issuers/cluster-0",
    "keys": "/console/keys",
    "verifiers": "/console/keys/verifiers",
    "groups": "/console/groups",
    "a group": f"/console/groups/grp_{0:020}",
    "the review": "/console/review",
    "the access review": "/console/review/access",
    "the audit log": "/console/audit",
    "a search in the audit log": "/console/audit?target=client-000000",
    "refusals in the audit log": "/console/audit?outcome=refused",
    "an explanation": "/console/explain?subject=user-0&audience=my-os&method=GET&path=/agents",
}


@dataclass(frozen=True)
class Size:
    """How many rows of each. By default there is what the measurements need."""

    users: int = WRITERS
    clients: int = CALLERS
    roles: int = ROLES
    groups: int = 1
    trusts: int = 1
    verifiers: int = 1
    events: int = 0


class Filled:
    """An issuer with a filled database, and its measurements. Times are in milliseconds."""

    def __init__(self, folder: Path, size: Size, database_url: str | None) -> None:
        folder.mkdir()
        self._folder = folder
        self.issuer = RunningIssuer(
            folder,
            database_url,
            program=on_core(0, OURS),
            password_hash="rfc9106",
            metrics_token=METRICS_TOKEN,
        )
        services = self.issuer.deployment.services
        # The callers are the same everywhere, including the scopes of the tokens.
        self._filling = Filling(services)
        self._filling.roles(size.roles)
        self._filling.users(size.users)
        self._filling.groups(size.groups, min(MEMBERS, size.users), size.users)
        self._clients = self._filling.clients(size.clients, size.trusts)
        self._cluster = self._filling.trusted_issuers()[(size.clients - 1) % TRUSTED_ISSUERS]
        if size.events:
            services.keys.keyring.reload()
            fill(services, size.events)
        self.issuer.deployment.role("operator", ["issuer:admin"])
        self.issuer.deployment.user("operator", ["operator"])
        self._size = size
        self.loads: list[Load] = []
        self.loads_beside_writers: list[Load] = []

    def load_beside_writers(self, seconds: int) -> Load:
        """The same load, while four callers change users, each one after the other."""
        admin, done = self._admin_api(), threading.Event()

        def write(number: int) -> None:
            while not done.is_set():
                self._change_user(admin, number)

        writers = [threading.Thread(target=write, args=(each,)) for each in range(WRITERS)]
        for each in writers:
            each.start()
        try:
            return self.load(seconds)
        finally:
            done.set()
            for each in writers:
                each.join()

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
        beside = median(load.per_second for load in self.loads_beside_writers)
        yield f"tokens beside four writers: {RATE}", beside
        endpoint = self.issuer.token_endpoint
        client = self._clients[0]
        yield "token by a trust: ms", taken(self._by_trust)
        yield "sign-in: ms", taken(lambda: endpoint.password(client, "user-0").token)
        first = taken(lambda: endpoint.client_credentials(client).token, self._bump)
        yield "first token after a change: ms", first
        yield "a change: ms", taken(self._change)
        admin = self._admin_api()
        yield "a change by REST: ms", taken(lambda: self._change_user(admin))
        yield "a change by SCIM: ms", taken(lambda: self._change_by_scim(admin))
        for attribute, text in (("userName", "user-0"), ("emails.value", "user-0@example.com")):
            asked = f'{attribute} eq "{text}"'
            yield f"{attribute} eq by SCIM: ms", taken(lambda q=asked: self._found(admin, q))
        yield "review by REST: ms", taken(lambda: seen_by_rest(admin, "/review"), times=3)
        for what in ("users", "audit-events"):
            yield f"{what} by REST: ms", taken(lambda what=what: page(admin, what))
        keys = self.issuer.http.get("/.well-known/jwks.json").json()["keys"]
        self._filling.verifiers(self._size.verifiers, [key["kid"] for key in keys])
        browser = self._console()
        for what, path in PAGES.items():
            yield f"page of {what}: ms", taken(lambda path=path: seen(browser, path))
        yield "/metrics: ms", taken(self._metrics)
        yield from self._export(admin)
        yield "memory: MB", megabytes(self.issuer.pid)
        yield "database: MB", self._database_bytes() / 1024**2
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

    def _admin_api(self) -> AdminApi:
        deployment, endpoint = self.issuer.deployment, self.issuer.token_endpoint
        return AdminApi(self.issuer.http, endpoint.client_credentials(deployment.admin).token)

    def _change_user(self, admin: AdminApi, number: int = 0) -> None:
        answer = admin.patch(f"/users/usr_{number:020}", name=f"Changed {time.monotonic_ns()}")
        answer.raise_for_status()

    def _change_by_scim(self, admin: AdminApi) -> None:
        changed = {"op": "replace", "path": "title", "value": str(time.monotonic_ns())}
        path, body = f"/scim/v2/Users/usr_{0:020}", {"schemas": [PATCH_OP], "Operations": [changed]}
        self.issuer.http.patch(path, json=body, headers=admin.headers).raise_for_status()

    def _found(self, admin: AdminApi, asked: str) -> None:
        answer = self.issuer.http.get(
            "/scim/v2/Users", params={"filter": asked}, headers=admin.headers
        )
        assert answer.json()["totalResults"] == 1, answer.text

    def _export(self, admin: AdminApi) -> Iterator[tuple[str, float]]:
        """Read as it comes, as by a program that writes a file."""
        before, pid = megabytes(self.issuer.pid), self.issuer.pid
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
        began = time.perf_counter()
        url, headers = "/admin/v1/manifest", admin.headers
        with self.issuer.http.stream("GET", url, headers=headers, timeout=3600) as answer:
            answer.raise_for_status()
            length = sum(map(len, answer.iter_raw()))
        yield "export: s", time.perf_counter() - began
        yield "export: MB", length / 1024**2
        yield "export, more memory: MB", max(0.0, peak_megabytes(pid) - before)

    def _database_bytes(self) -> int:
        database = self.issuer.deployment.services.database
        if database.is_sqlite:
            return sum(file.stat().st_size for file in (self._folder / "data").glob("*.db*"))
        with database.engine.connect() as connection:
            asked = "SELECT pg_database_size(current_database())"
            size: int = connection.exec_driver_sql(asked).scalar_one()
            return size

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


def page(admin: AdminApi, what: str) -> None:
    seen_by_rest(admin, f"/{what}", limit="100")


def seen_by_rest(admin: AdminApi, path: str, **parameters: str) -> None:
    answer = admin.get(path, params=parameters)
    assert answer.status_code == httpx.codes.OK, answer.text


def seen(browser: Browser, path: str) -> None:
    page = browser.get(path)
    assert page.status == httpx.codes.OK, (path, page.status, page.text)


def taken(
    call: Callable[[], object], before: Callable[[], None] = lambda: None, times: int = FEW
) -> float:
    """Milliseconds: the median of calls, after one that warms up; NaN if one is refused.

    As many calls as take `SECONDS`, at least `times` and at most `TIMES`: what takes a few
    milliseconds varies by as much.
    """
    found: list[float] = []
    until = time.monotonic() + SECONDS
    while len(found) <= times or (len(found) <= TIMES and time.monotonic() < until):
        before()
        began = time.perf_counter()
        try:
            call()
        except (AssertionError, KeyError, httpx.HTTPError):
            return nan
        found.append(1000 * (time.perf_counter() - began))
    return median(found[1:])


def measured(options: argparse.Namespace, folder: Path) -> dict[str, dict[str, float]]:
    """By issuer and number."""
    # The callers are the same everywhere, including the scopes of the tokens.
    full = Size(**{name: getattr(options, name) for name in asdict(Size())})
    issuers: dict[str, Filled] = {}
    with ExitStack() as running:
        for database in options.database or DATABASES:
            server = None
            if database == "postgresql":
                server = PostgreSQL(
                    running.enter_context(running_server(Path(tempfile.gettempdir()), **ON_DISK))
                )
            for name, size in (("empty", Size()), ("full", full)):
                url = running.enter_context(server.database()) if server else None
                issuers[f"{name}, {database}"] = Filled(folder / f"{name}-{database}", size, url)
        for filled in issuers.values():
            running.enter_context(filled.issuer)
        for number in range(options.rounds + 1):
            for filled in issuers.values():
                loads = filled.load(options.seconds), filled.load_beside_writers(options.seconds)
                if number:  # the first round warms up
                    filled.loads.append(loads[0])
                    filled.loads_beside_writers.append(loads[1])
        return {name: dict(filled.numbers()) for name, filled in issuers.items()}


def show(found: dict[str, dict[str, float]]) -> None:
    table = Table("", *found)
    for name in next(iter(found.values())):
        table.add_row(name, *(f"{numbers[name]:,.1f}" for numbers in found.values()))
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--database", action="append", choices=DATABASES, help="by default both")
    parser.add_argument("--users", type=int, default=1_000_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--roles", type=int, default=1_000)
    parser.add_argument("--groups", type=int, default=10_000, help="of 100 members")
    parser.add_argument("--trusts", type=int, default=10_000, help="in as many clients")
    parser.add_argument("--verifiers", type=int, default=1_000)
    parser.add_argument("--events", type=int, default=1_000_000, help="in the audit log")
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
