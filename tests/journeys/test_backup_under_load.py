"""A backup made while servers issue and revoke tokens, and operators change rights and keys."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from issuer.clients.client import SecretFields
from issuer.composition import Composition
from issuer.database.tables import AuditEventRow, Base
from tests.builders import OPERATOR, Credentials, Deployment
from tests.cli.driver import Cli
from tests.databases import copied
from tests.drivers import TokenDriver
from tests.journeys.proxies.callers import claims_of
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.journeys.test_surviving_sigkill import in_threads

TIMES = 50
TOKENS_BETWEEN = 30
CALLERS = 3
# Seconds. Without pauses the audit log, which is verified each time, would soon have nothing else.
BETWEEN_TOKENS, BETWEEN_CHANGES = 0.02, 0.05
REVOKED = 5  # one token of so many


@pytest.fixture
def issuer(tmp_path: Path, migrated_database_url: str) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path, migrated_database_url, signing_algorithms="ES256") as issuer:
        yield issuer


@pytest.fixture
def new_database_url(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[], str]]:
    """Gives another freshly migrated database each time."""
    template = request.getfixturevalue(f"migrated_{database_kind}")
    with ExitStack() as opened:
        yield lambda: opened.enter_context(copied(template, tmp_path))


@pytest.mark.slow
def test_fifty_backups_of_fifty_are_consistent(
    issuer: RunningIssuer, new_database_url: Callable[[], str], tmp_path: Path
):
    client = issuer.deployment.client("caller", scopes=["agents:run"])
    answered: list[str] = []
    cli = Cli(issuer.environment)
    with (
        issuer.replica() as replica,
        callers(issuer.url, client, answered),
        callers(replica.url, client, answered),
        operator(issuer.deployment),
    ):
        for number in range(1, TIMES + 1):
            enough = len(answered) + TOKENS_BETWEEN
            wait_until(lambda enough=enough: len(answered) >= enough, 120, "tokens are issued")
            before, file = list(answered), tmp_path / f"{number}.backup"
            cli.done("backup", str(file))
            restored = cli.with_environment(ISSUER_DATABASE_URL=new_database_url())
            rows = restored.json("restore", str(file))["rows"]
            requires_consistent(restored, before, rows)
            file.unlink()


def requires_consistent(restored: Cli, answered: list[str], rows: int) -> None:
    """Every token that was answered before the backup is in the audit log, and all rules hold.

    The restore itself has required every foreign key.
    """
    found = restored.json("audit", "verify")
    assert found["ok"], found
    assert restored("doctor").status == 0
    with restored.composition() as parts:
        assert {claims_of(token)["jti"] for token in answered} <= issued(parts)
        assert stored_rows(parts) == rows + 1, "with the event of the restore"
        with parts.administration.changing(OPERATOR) as work:
            work.check_invariants()


@contextmanager
def callers(url: str, client: Credentials, answered: list[str]) -> Iterator[None]:
    """Request tokens at one server, and revoke some of them."""

    def call(stopped: threading.Event) -> None:
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            endpoint, number = TokenDriver(http), 0
            while not stopped.wait(BETWEEN_TOKENS):
                answer = endpoint.client_credentials(client)
                if answer.status == 503:  # its key was revoked before it was signed
                    continue
                answered.append(answer.token)
                number += 1
                if number % REVOKED == 0:
                    endpoint.revoke(client, answered[-1]).raise_for_status()

    with in_threads(CALLERS, call):
        yield


@contextmanager
def operator(deployment: Deployment) -> Iterator[None]:
    """Create, change and delete resources and secrets, and replace signing keys."""

    def change(stopped: threading.Event) -> None:
        number, keyring = 0, deployment.services.keys.keyring
        while not stopped.wait(BETWEEN_CHANGES):
            number += 1
            role = deployment.role(f"role-{number}", ["agents:run"])
            user = deployment.user(f"user-{number}", password=None, roles=[role])
            client = deployment.client(f"client-{number}", roles=[role])
            with deployment.changing() as work:
                work.clients.add_secret(client.client_id, SecretFields())
                work.clients.revoke_tokens(client.client_id)
            if number % 3:
                with deployment.changing() as work:
                    work.users.delete(user)
            if number % 5 == 0:
                keyring.reconcile()
                with deployment.changing() as work:
                    work.keys.revoke(keyring.active("ES256").kid)

    with in_threads(1, change):
        yield


def issued(parts: Composition) -> set[str]:
    query = select(AuditEventRow.details).where(AuditEventRow.action == "token.issued")
    with parts.database.reading() as session:
        return {details["jti"] for details in session.scalars(query)}


def stored_rows(parts: Composition) -> int:
    with parts.database.reading() as session:
        return sum(
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in Base.metadata.sorted_tables
        )
