"""Acknowledged changes and tokens survive SIGKILL at any moment."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.journeys.running_issuer import RunningIssuer, wait_until

KILLS = 3
CALLERS = 8
TOKENS_BEFORE_A_KILL = 300
CHANGES_BEFORE_A_KILL = 10
BETWEEN_CHANGES = (
    0.01  # seconds; SQLite's lock is not fair, and a writer without pauses starves others
)


@pytest.fixture
def issuer(tmp_path: Path, migrated_database_url: str) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path, migrated_database_url) as issuer:
        yield issuer


@pytest.mark.slow
def test_acknowledged_changes_and_tokens_survive(issuer: RunningIssuer):
    """Killed repeatedly, while callers get tokens and an operator creates clients."""
    client = issuer.deployment.client("caller", scopes=["agents:run"])
    tokens: list[str] = []
    made: list[Credentials] = []
    for _ in range(KILLS):
        enough_tokens = len(tokens) + TOKENS_BEFORE_A_KILL
        enough_changes = len(made) + CHANGES_BEFORE_A_KILL
        with operator(issuer.deployment, made), callers(issuer.url, client, tokens):
            wait_until(
                lambda: len(tokens) >= enough_tokens and len(made) >= enough_changes,  # noqa: B023
                60,
                "enough was done to kill the server",
            )
            issuer.kill()
        issuer.restart()
        assert issuer.token_endpoint.client_credentials(client).status == 200

    claims = verified(issuer, tokens)
    stored = Counter(issued_jtis(issuer.deployment))
    assert {jti: stored[jti] for jti in claims} == dict.fromkeys(claims, 1)

    assert {client.client_id for client in made} <= created_clients(issuer.deployment)
    for client in made:
        assert issuer.token_endpoint.client_credentials(client).status == 200

    issuer.deployment.services.keys.keyring.reload()
    issuer.deployment.services.audit.checkpoints.make()
    found = issuer.deployment.services.audit.verify()
    assert (found.finding, found.unanchored) == (None, 0)
    assert found.chains == 1 + KILLS + 1, "one for the changes, one for each life of the server"


@contextmanager
def callers(url: str, client: Credentials, tokens: list[str]) -> Iterator[None]:
    """Request tokens on separate connections, and keep each, until the server stops."""

    def call(stopped: threading.Event) -> None:
        with (
            httpx.Client(base_url=url, timeout=30, trust_env=False) as http,
            suppress(httpx.TransportError),
        ):
            while not stopped.is_set():
                tokens.append(TokenDriver(http).client_credentials(client).token)

    with in_threads(CALLERS, call):
        yield


@contextmanager
def operator(deployment: Deployment, made: list[Credentials]) -> Iterator[None]:
    """Create clients one by one, and keep each that was acknowledged."""

    def make(stopped: threading.Event) -> None:
        while not stopped.wait(BETWEEN_CHANGES):
            made.append(deployment.client(f"made-{len(made)}"))

    with in_threads(1, make):
        yield


@contextmanager
def in_threads(number: int, work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run `work` in threads while the block lasts. The block re-raises its errors at the end."""
    stopped = threading.Event()
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work(stopped)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
    if errors:
        raise ExceptionGroup("in a thread", errors)


def verified(issuer: RunningIssuer, tokens: list[str]) -> dict[str, object]:
    """The claims of the tokens by `jti`, verified with the keys published now."""
    keys = KeySet.import_key_set(issuer.http.get("/.well-known/jwks.json").json())
    claims = [jwt.decode(token, keys, algorithms=["RS256"]).claims for token in tokens]
    return {each["jti"]: each for each in claims}


def issued_jtis(deployment: Deployment) -> list[str]:
    query = select(AuditEventRow.details).where(AuditEventRow.action == "token.issued")
    with deployment.services.database.reading() as session:
        return [details["jti"] for details in session.scalars(query)]


def created_clients(deployment: Deployment) -> set[str]:
    query = select(AuditEventRow.target).where(AuditEventRow.action == "client.created")
    with deployment.services.database.reading() as session:
        return set(session.scalars(query))
