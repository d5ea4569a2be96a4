"""A deployment on two machines: two servers, each with its own network to the database."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tests.journeys.faults.cluster import Cluster, Node, running_cluster
from tests.journeys.faults.load import TOKEN, Answer, FaultLoad
from tests.journeys.faults.stalling_proxy import StallingProxy
from tests.journeys.running_issuer import RunningIssuer, Server, reserved_port, wait_until

STEADY, TO_DISABLE = 4, 60
ENOUGH = 100  # tokens before a fault, and after it
SECONDS = 120
# Disabled clients go on asking, and administrators have tokens that a clock an hour ahead accepts.
SETTINGS = {
    "signing_algorithms": "ES256",
    "rate_limit_failures": "off",
    "access_token_ttl": "2h",
}
ISSUED = "SELECT details FROM audit_events WHERE action = 'token.issued'"


@dataclass
class FaultSite:
    """`networks` are those of the second server; `node` has the database that counts at the end."""

    servers: list[Server]
    load: FaultLoad
    cluster: Cluster | None = None
    networks: list[StallingProxy] = field(default_factory=list)
    node: Node | None = None
    folder: Path | None = None
    clock: Path | None = None

    def stored(self) -> set[str]:
        """The `jti` of every token in the audit log."""
        if self.node is None:
            with closing(sqlite3.connect(self.folder / "issuer.db")) as database:
                query = "SELECT details ->> 'jti' FROM audit_events WHERE action = 'token.issued'"
                return {jti for (jti,) in database.execute(query)}
        with self.node.connection(dbname="issuer") as connection:
            return {details["jti"] for (details,) in connection.execute(ISSUED)}


Fault: TypeAlias = Callable[[FaultSite], AbstractContextManager[None]]


@dataclass(frozen=True)
class FaultOutcome:
    """What callers were answered. `recovered` are the seconds until a token, for each server."""

    answers: list[Answer]
    during: list[Answer]
    recovered: list[float]
    lost: set[str]
    stale: list[Answer]

    @property
    def tokens(self) -> list[Answer]:
        return [each for each in self.during if each.kind == TOKEN]


def run(site: FaultSite, fault: Fault) -> FaultOutcome:
    """FaultLoad before, during and after the fault."""
    load, servers = site.load, range(len(site.servers))
    with load.running():
        wait_for_tokens(load, servers, time.monotonic())
        began = time.monotonic()
        with fault(site):
            pass
        ended = time.monotonic()
        recovered = wait_for_tokens(load, servers, ended)
        for server in site.servers:
            is_ready = lambda: server.http.get("/readyz").status_code == 200  # noqa: B023, E731
            wait_until(is_ready, SECONDS, "it is ready")
        until = time.monotonic()
    jtis = {each.jti for each in load.answers if each.jti is not None}
    stale = [
        each
        for each in load.answers
        if each.jti and each.sent_at > load.disabled_at.get(each.client_id, each.sent_at)
    ]
    during = load.between(began, until)
    return FaultOutcome(load.answers, during, recovered, jtis - site.stored(), stale)


def wait_for_tokens(load: FaultLoad, servers: range, since: float) -> list[float]:
    """Until each server has issued enough for requests of later; how long the first took."""
    first: dict[int, float] = {}

    def is_enough(server: int) -> bool:
        issued = [
            a for a in list(load.answers) if a.server == server and a.jti and a.sent_at > since
        ]
        if issued:
            first[server] = min(each.answered_at for each in issued) - since
        return len(issued) >= ENOUGH

    for server in servers:
        wait_until(lambda: is_enough(server), SECONDS, f"server {server} issues tokens")  # noqa: B023
    return [first[server] for server in servers]


@contextmanager
def site_on_a_cluster(
    folder: Path, where: Path | None = None, **environment: str
) -> Iterator[FaultSite]:
    """`environment` is that of the second server; `where` the data of the primary are."""
    with ExitStack() as held:
        cluster = held.enter_context(running_cluster(where))
        networks = [
            [StallingProxy(each.port) for each in (cluster.primary, cluster.standby)]
            for _ in range(2)
        ]
        for each in (*networks[0], *networks[1]):
            held.callback(each.close)
        urls = [cluster.url(*(each.port for each in pair)) for pair in networks]
        issuer = held.enter_context(RunningIssuer(folder, urls[0], **SETTINGS))
        other = held.enter_context(second_server(issuer, urls[1], environment))
        servers = [issuer, other]
        yield FaultSite(servers, load_of(issuer, servers), cluster, networks[1], cluster.primary)


@contextmanager
def site_on_sqlite(folder: Path, where: Path) -> Iterator[FaultSite]:
    """Two servers on one machine."""
    url = f"sqlite:///{where}/issuer.db"
    with ExitStack() as held:
        issuer = held.enter_context(RunningIssuer(folder, url, **SETTINGS))
        servers = [issuer, held.enter_context(issuer.replica())]
        yield FaultSite(servers, load_of(issuer, servers), folder=where)


def load_of(issuer: RunningIssuer, servers: list[Server]) -> FaultLoad:
    made = [issuer.deployment.client() for _ in range(STEADY + TO_DISABLE)]
    return FaultLoad(servers, made[:STEADY], made[STEADY:], issuer.deployment.admin)


@contextmanager
def second_server(
    issuer: RunningIssuer, database_url: str, environment: dict[str, str]
) -> Iterator[Server]:
    more = {"ISSUER_DATABASE_URL": database_url, **environment}
    with reserved_port() as port:
        server = Server({**issuer.environment, **more}, port, issuer.folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
