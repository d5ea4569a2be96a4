"""The servers that are measured. All run at the same time; one at a time has load."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import httpx

from benchmarks.durable_audit import database
from benchmarks.load import on_core
from benchmarks.running import SECONDS_TO_START, running
from issuer.sign_in.authorization_request import Redirection
from tests.builders import PASSWORD, Credentials
from tests.dpop.proving import ProofKey
from tests.drivers import TokenAnswer
from tests.journeys.proxies.callers import new_id
from tests.journeys.running_issuer import (
    OURS,
    RunningIssuer,
    Server,
    polls,
    reserved_port,
)
from tests.oauth.asserting import AssertingClient, with_keys
from tests.oauth.exchanging import EXCHANGE
from tests.sign_in.authorizing import CALLBACK, GRANTS, App, returned, sign_in
from tests.trusting import OtherIssuer, trust, trusted

ALGORITHMS = ("RS256", "ES256", "EdDSA")
SECONDS_TO_WARM_UP = 1
USERNAMES = ("alice", *(f"user-{number}" for number in range(31)))


class Ours:
    """An issuer with default settings, except for several signing algorithms, and its callers."""

    seconds_to_warm_up = SECONDS_TO_WARM_UP

    def __init__(self, issuer: RunningIssuer, audiences: dict[str, str]) -> None:
        self.issuer = issuer
        self.url = issuer.url
        deployment = issuer.deployment
        self.clients = {
            alg: deployment.client(f"ci-{alg.lower()}", audiences=[audience], scopes=["agents:run"])
            for alg, audience in audiences.items()
        }
        deployment.role("runner", ["agents:run", "agents:read"])
        self._user_ids = [deployment.user(name, roles=["runner"]) for name in USERNAMES]
        runner = {"audiences": [audiences["RS256"]], "scopes": ["agents:run"]}
        self.asserting = AssertingClient.new("ci-key", issuer=issuer.url)
        with_keys(deployment, self.asserting, **runner)
        self.cluster = OtherIssuer.new()
        trusted(deployment, self.cluster)
        deployment.client("ci-pod", trusts=[trust()], **runner)
        self.front = deployment.client(
            "front", grant_types=["password", "refresh_token"], scopes=["agents:run"]
        )
        rules = [{"from": audiences["RS256"], "to": audiences["RS256"]}]
        self.agent = deployment.client("agent", grant_types=[EXCHANGE], may_act=rules, **runner)
        self.app = deployment.client(
            "app",
            audiences=[audiences["RS256"]],
            grant_types=GRANTS,
            redirect_uris=[CALLBACK],
            user_rights="all",
            first_party=True,
        )

    @property
    def pid(self) -> int:
        return self.issuer.pid

    def assertions(self, number: int) -> Iterator[str]:
        """So many, each different."""
        return (self.asserting.assertion(time.time(), jti=new_id("jti")) for _ in range(number))

    def proofs(self, number: int) -> Iterator[str]:
        """For so many token requests, by one key."""
        key, now = ProofKey(), time.time()
        return (key.proof(now, url=f"{self.url}/oauth2/token") for _ in range(number))

    def pod_token(self) -> str:
        """A token of a trusted issuer, as a pod has: the same for an hour."""
        return self.cluster.token(time.time(), aud=[self.url])

    def refresh_tokens(self, number: int) -> list[str]:
        """From so many sign-ins, of different users."""
        return [self.sign_in(name).refresh_token for name in islice(cycle(USERNAMES), number)]

    def user_tokens(self) -> list[str]:
        """An access token of each user."""
        return [self.sign_in(name).token for name in USERNAMES]

    def codes(self, number: int) -> Iterator[str]:
        """What different users allowed, each in a session."""
        deployment, app = self.issuer.deployment, App(self.issuer.token_endpoint, self.app)
        people = [sign_in(deployment, user_id) for user_id in self._user_ids]
        for person in islice(cycle(people), number):
            step = person.next_step(app)
            assert isinstance(step, Redirection), step
            yield returned(step.url)["code"]

    def sign_in(self, username: str = "alice") -> TokenAnswer:
        """Wait until the pool has finished the requests of the last load."""
        for _ in polls(SECONDS_TO_START):
            answer = self.issuer.token_endpoint.password(self.front, username)
            if answer.status != httpx.codes.SERVICE_UNAVAILABLE:
                break
        assert answer.status == httpx.codes.OK, answer.body
        return answer

    def active_tokens(self, number: int) -> list[str]:
        """Tokens that stay active until the load ends."""
        endpoint, client = self.issuer.token_endpoint, self.clients["RS256"]
        tokens = [endpoint.client_credentials(client).token for _ in range(number)]
        assert endpoint.introspect(client, tokens[0])["active"]
        return tokens

    def etag(self, path: str) -> str:
        """A header that makes the answer a 304."""
        http = self.issuer.http
        etag = http.get(path).headers["ETag"]
        again = http.get(path, headers={"If-None-Match": etag})
        assert again.status_code == httpx.codes.NOT_MODIFIED, again.status_code
        return etag

    def seconds_to_first_token(self) -> float:
        return seconds_to_first_token(self.issuer, self.clients["RS256"])

    def seconds_of(self, command: str) -> float:
        """Seconds from exec of a command to its end."""
        issuer, began = self.issuer, time.perf_counter()
        words = [*on_core(0, OURS), *command.split()]
        subprocess.run(
            words, env=issuer.environment, cwd=issuer.folder, stdout=subprocess.DEVNULL, check=True
        )
        return time.perf_counter() - began


def seconds_to_first_token(issuer: RunningIssuer, client: Credentials) -> float:
    """Seconds from exec of one more server on the same database to its first token."""
    with reserved_port() as port:
        server = Server(issuer.environment, port, issuer.folder, on_core(0, OURS))
        try:
            began = time.perf_counter()
            server.start()
            answer = server.token_endpoint.client_credentials(client)
            taken = time.perf_counter() - began
        finally:
            server.stop()
    assert answer.status == httpx.codes.OK, answer.error
    return taken


@contextmanager
def ours(kind: str, folder: Path, workers: int = 1) -> Iterator[Ours]:
    """One process on the first core; several on all of them."""
    folder.mkdir()
    program = on_core(0, OURS) if workers == 1 else OURS
    with (
        database(kind) as environment,
        RunningIssuer(
            folder,
            environment.get("ISSUER_DATABASE_URL"),
            workers,
            program,
            signing_algorithms=",".join(ALGORITHMS),
            password_hash="rfc9106",
            rate_limit_passwords="off",
        ) as issuer,
    ):
        audiences = {alg: f"my-{alg.lower()}-os" for alg in ALGORITHMS[1:]}
        for alg, audience in audiences.items():
            issuer.deployment.audience(audience, signing_alg=alg)
        yield Ours(issuer, {"RS256": "my-os", **audiences})


class Bare:
    """An app that knows no client, and one that it could know."""

    seconds_to_warm_up = SECONDS_TO_WARM_UP

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.client = Credentials("ci-bot", "ais-of-someone-else-0123456789")


@contextmanager
def bare(kind: str) -> Iterator[Bare]:
    """An app that signs with `kind`, or nothing, and answers."""
    with reserved_port() as port:
        there = Bare(port)
        with running([sys.executable, "-P", "-m", "benchmarks.bare", kind, str(port)], there.url):
            yield there


def password_form(username: str) -> dict[str, str]:
    return {"grant_type": "password", "username": username, "password": PASSWORD}
