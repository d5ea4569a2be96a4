"""Attacks on an issuer, by name: each runs until it is cancelled."""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from random import Random
from urllib.parse import urlencode

from benchmarks.revocation_feed import RevokedTokens
from benchmarks.scenarios import FEED, TOKEN
from benchmarks.scripts import in_turn, post
from tests.builders import PASSWORD, Credentials
from tests.journeys.hostile_values import CRLF
from tests.journeys.proxies import attacks as behind_proxies
from tests.journeys.proxies.callers import Caller, Ledger, new_id
from tests.journeys.proxies.load import NO_ANSWER
from tests.journeys.proxies.wire import LOOPBACK, ProxiedConnection, chunked, connected, request
from tests.journeys.running_issuer import RunningIssuer

# Honest callers use 127.0.0.1, so limits by address distinguish them from attackers.
ADDRESS = "127.0.0.2"
CONNECTIONS = 16
MIB = 2**20
LARGE = "/openapi.json"
REVOCATIONS = 100_000
FORM = ("Content-Type", "application/x-www-form-urlencoded")
JSON = ("Content-Type", "application/json")


@dataclass(frozen=True)
class AttackedIssuer:
    """An issuer, and the attacker's client, which has few rights unless an attack adds some."""

    issuer: RunningIssuer
    attacker: Caller
    answers: Counter[int] = field(default_factory=Counter)

    @property
    def port(self) -> int:
        return self.issuer.port

    async def flood(self, make: Callable[[], bytes], connections: int = CONNECTIONS) -> None:
        """Requests on so many connections; each waits for an answer before it sends the next."""
        await asyncio.gather(*(self._ask(make) for _ in range(connections)))

    async def _ask(self, make: Callable[[], bytes]) -> None:
        while True:
            with suppress(*NO_ANSWER):
                async with connected(self.port, ADDRESS) as connection:
                    while True:
                        connection.send(make())
                        await connection.sent()
                        self.answers[(await connection.answer()).status] += 1

    @contextmanager
    def held(self, connections: int, data: bytes) -> Iterator[list[socket.socket]]:
        """Connections that send this and read nothing."""
        with ExitStack() as all_of_them:
            opened = []
            for _ in range(connections):
                with suppress(OSError):
                    opened.append(all_of_them.enter_context(socket.socket()))
                    opened[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                    opened[-1].bind((ADDRESS, 0))
                    opened[-1].connect((LOOPBACK, self.port))
                    opened[-1].sendall(data)
            yield opened

    def token(self, client: Credentials, **parameters: str) -> str:
        return self.issuer.token_endpoint.client_credentials(client, **parameters).token


def admin(path: str, token: str, body: object) -> bytes:
    """A request to the admin API with this body, as JSON."""
    bearer = ("Authorization", f"Bearer {token}")
    return request(f"/admin/v1{path}", [JSON, bearer], json.dumps(body).encode())


def without_any_scope(target: AttackedIssuer) -> str:
    """A token for the admin API without any scope."""
    deployment = target.issuer.deployment
    client = deployment.client(audiences=[deployment.services.settings.url])
    return target.token(client)


def administrators(target: AttackedIssuer) -> str:
    return target.token(target.issuer.deployment.admin)


def large_manifest() -> dict[str, object]:
    """Nearly 1 MiB of roles."""
    roles = [{"name": f"role-{n:06}", "scopes": ["agents:run"]} for n in range(MIB // 60)]
    return {"roles": roles}


def unknown_members() -> dict[str, int]:
    """Nearly 1 MiB of unknown members."""
    return {f"{n:x}": 0 for n in range(MIB // 12)}


def odd_scopes() -> dict[str, list[str]]:
    """As many scopes as a request may name."""
    return {"scopes": [f"agent:some-agent-{n}:runn" for n in range(500)]}


async def pipelining(target: AttackedIssuer) -> None:
    """Reads the answers, so that the server keeps reading, many requests at a time."""
    data = 640 * request("/healthz", [("X-Padding", "x" * 44)], method="GET")  # 64,000 bytes

    async def send(connection: ProxiedConnection) -> None:
        while True:
            connection.send(data)
            await connection.sent()

    while True:
        with suppress(*NO_ANSWER):
            async with connected(target.port, ADDRESS) as connection:
                sending = asyncio.create_task(send(connection))
                try:
                    while True:
                        target.answers[(await connection.answer()).status] += 1
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)


async def upgrades(target: AttackedIssuer) -> None:
    await asyncio.gather(*(_hiding(target, number) for number in range(4)))


async def _hiding(target: AttackedIssuer, number: int) -> None:
    attacker = behind_proxies.Attacker(target.attacker, Ledger(), Random(number))
    while True:
        with suppress(*NO_ANSWER):
            async with connected(target.port, ADDRESS) as connection:
                await behind_proxies.upgrades(attacker, connection)
                target.answers[200] += 3


async def trailers(target: AttackedIssuer) -> None:
    fields = [(f"X-Trailer-{n}", "x" * 200) for n in range(250)]
    headers = [FORM, target.attacker.basic, behind_proxies.CHUNKED]
    data = request(TOKEN, headers) + chunked(target.attacker.form, fields)
    await target.flood(lambda: data, connections=4)


async def slow_readers(target: AttackedIssuer) -> None:
    with target.held(300, request(LARGE, [], method="GET") * 5):
        await asyncio.Event().wait()


async def readers_of_a_large_feed(target: AttackedIssuer) -> None:
    with target.held(60, request(FEED, [], method="GET")):
        await asyncio.Event().wait()


def fill_the_feed(target: AttackedIssuer) -> None:
    RevokedTokens(target.issuer.deployment.services).revoke(REVOCATIONS)
    target.issuer.http.get(FEED)  # as verifiers do all the time


async def lone_crlf(target: AttackedIssuer) -> None:
    with target.held(500, request("/healthz", [], method="GET")) as connections:
        while True:
            await asyncio.sleep(0.5)
            for each in connections:
                with suppress(OSError):
                    each.send(CRLF)


async def many_connections(target: AttackedIssuer) -> None:
    """More than a process accepts at once."""
    with target.held(6_000, b""):
        await asyncio.Event().wait()


async def malformed_requests(target: AttackedIssuer) -> None:
    data = request(TOKEN, [FORM], b"grant_type=&grant_type=%ff&" + b"x" * 500)
    await target.flood(lambda: data)


async def wrong_secrets(target: AttackedIssuer) -> None:
    client_id = target.attacker.credentials.client_id
    wrong = Caller(Credentials(client_id, "wrong"), target.attacker.audience, "")
    await target.flood(lambda: wrong.token(new_id("wrong")))


async def sign_ins(target: AttackedIssuer) -> None:
    deployment = target.issuer.deployment
    deployment.user("alice")
    front = deployment.client("front", grant_types=["password"], scopes=["agents:*"])
    sign_in = {"grant_type": "password", "username": "alice"}
    basic = Caller(front, "my-os", "").basic
    forms = [urlencode({**sign_in, "password": each}).encode() for each in (PASSWORD, "wrong")]
    asks = [request(TOKEN, [FORM, basic], form) for form in forms]
    random = Random(0)
    await target.flood(lambda: random.choice(asks), connections=40)


async def revocations(target: AttackedIssuer) -> None:
    await asyncio.gather(*(_revoking(target) for _ in range(4)))


async def _revoking(target: AttackedIssuer) -> None:
    """Tokens of its own, one after the other."""
    caller = target.attacker
    while True:
        with suppress(*NO_ANSWER):
            async with connected(target.port, ADDRESS) as connection:
                while True:
                    connection.send(caller.token(new_id("token")))
                    token = (await connection.answer()).json["access_token"]
                    form = urlencode({"token": token}).encode()
                    connection.send(request("/oauth2/revoke", [FORM, caller.basic], form))
                    target.answers[(await connection.answer()).status] += 1


def admin_flood(
    path: str, bearer: Callable[[AttackedIssuer], str], body: Callable[[], object]
) -> Callable[[AttackedIssuer], Awaitable[None]]:
    async def attack(target: AttackedIssuer) -> None:
        data = admin(path, bearer(target), body())
        await target.flood(lambda: data)

    return attack


def tokens(issuer: RunningIssuer) -> str:
    """What honest callers ask for: tokens with client credentials."""
    client = issuer.deployment.client("honest", scopes=["agents:run"])
    return in_turn([post(TOKEN, client, grant_type="client_credentials")])


@dataclass(frozen=True)
class Attack:
    """`honest` is what honest callers send, on so many `connections`.

    `check` says what else was found, and whether it is as it must be. `settings` are no defaults.
    """

    name: str
    run: Callable[[AttackedIssuer], Awaitable[None]]
    prepare: Callable[[AttackedIssuer], None] = lambda _: None
    honest: Callable[[RunningIssuer], str] = tokens
    connections: int = 16
    settings: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[AttackedIssuer], tuple[str, bool]] = lambda _: ("", True)


PLAN, LINT, ROLES = "/manifest/plan", "/scopes/lint", "/roles"
ATTACKS = (
    Attack("requests without end on one connection", pipelining),
    Attack("upgrades that hide requests, 4 connections", upgrades),
    Attack("50 kB of trailers, 4 connections", trailers),
    Attack("300 readers of large answers that read nothing", slow_readers),
    Attack("60 readers of a large feed that read nothing", readers_of_a_large_feed, fill_the_feed),
    Attack("500 connections that send empty lines", lone_crlf),
    Attack("6,000 connections that send nothing", many_connections),
    Attack("malformed token requests, 16 connections", malformed_requests),
    Attack("wrong secrets, 16 connections", wrong_secrets),
    Attack("sign-ins, right and wrong, 40 connections", sign_ins),
    Attack("a client that revokes its tokens, 4 connections", revocations),
    Attack(
        "1 MiB to plan without any scope, 16 connections",
        admin_flood(PLAN, without_any_scope, large_manifest),
    ),
    Attack(
        "1 MiB to plan by an administrator, 16 connections",
        admin_flood(PLAN, administrators, large_manifest),
    ),
    Attack(
        "1 MiB of unknown members without any scope, 16 connections",
        admin_flood(ROLES, without_any_scope, unknown_members),
    ),
    Attack(
        "1 MiB of unknown members by an administrator, 16 connections",
        admin_flood(ROLES, administrators, unknown_members),
    ),
    Attack(
        "scopes to lint without any scope, 16 connections",
        admin_flood(LINT, without_any_scope, odd_scopes),
    ),
    Attack(
        "scopes to lint by an administrator, 16 connections",
        admin_flood(LINT, administrators, odd_scopes),
    ),
)
