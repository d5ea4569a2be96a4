"""Servers, an operator and commands write at once, and the audit log verifies."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders import Credentials
from tests.cli.driver import Cli
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.journeys.test_surviving_sigkill import callers, operator

TOKENS, CHANGES = 200, 10


@pytest.fixture
def issuer(tmp_path: Path, migrated_database_url: str) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path, migrated_database_url) as issuer:
        yield issuer


@pytest.mark.slow
def test_concurrent_writers_leave_an_audit_log_that_verifies(issuer: RunningIssuer):
    client = issuer.deployment.client("caller", scopes=["agents:run"])
    cli = Cli(issuer.environment)
    here: list[str] = []
    there: list[str] = []
    made: list[Credentials] = []
    with (
        issuer.replica() as replica,
        callers(issuer.url, client, here),
        callers(replica.url, client, there),
        operator(issuer.deployment, made),
    ):
        for number in range(3):
            cli.done("role", "create", f"role-{number}")
            cli.done("audit", "checkpoint")
            assert cli.json("audit", "verify")["ok"]
        wait_until(
            lambda: min(len(here), len(there)) >= TOKENS and len(made) >= CHANGES,
            60,
            "enough was written at once",
        )
    found = cli.json("audit", "verify")
    assert (found["ok"], found["chains"]) == (True, 3)
    assert found["rows"] > 2 * TOKENS
    assert found["checkpoints"] >= 4, "the replica made one when it stopped"
