"""`issuer key rewrap` changes the master key while a server runs, without a failed request."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from issuer.keys.sealing import new_master_key
from tests.builders import Credentials
from tests.cli.driver import Cli
from tests.databases import PostgreSQL
from tests.drivers import AdminApi
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.journeys.test_surviving_sigkill import in_threads

OLD, NEW = (new_master_key(secrets.token_bytes) for _ in range(2))
TOKENS = 20
pytestmark = pytest.mark.slow


@contextmanager
def caller(issuer: RunningIssuer, client: Credentials) -> Iterator[list[int]]:
    """Request tokens one by one; returns the statuses."""
    statuses: list[int] = []

    def call(stopped: Event) -> None:
        while not stopped.is_set():
            statuses.append(issuer.token_endpoint.client_credentials(client).status)

    with in_threads(1, call):
        yield statuses


def rewrap(issuer: RunningIssuer, cli: Cli) -> None:
    """A client gets tokens before, during and after it."""
    with caller(issuer, issuer.deployment.client()) as statuses:
        wait_until(lambda: len(statuses) > TOKENS, 60, "tokens are issued")
        assert cli.json("key", "rewrap", "--yes")["keys"] == 2
        enough = len(statuses) + TOKENS
        wait_until(lambda: len(statuses) > enough, 60, "tokens are issued")
    assert set(statuses) == {200}


def seals_a_new_key(issuer: RunningIssuer) -> None:
    """The server creates a key; a new process must be able to decrypt it."""
    token = issuer.token_endpoint.client_credentials(issuer.deployment.admin).token
    admin = AdminApi(issuer.http, token)
    next_key = admin.get("/keys").json()["items"][0]["kid"]
    assert admin.post(f"/keys/{next_key}/revoke").status_code == 200
    assert admin.get("/keys").json()["items"][0]["state"] == "announced"


def test_the_key_in_the_file_is_changed(tmp_path: Path):
    with RunningIssuer(tmp_path, signing_algorithms="ES256") as issuer:
        old = (tmp_path / "data" / "master.key").read_text()
        cli = Cli(ours(issuer))
        rewrap(issuer, cli)
        seals_a_new_key(issuer)
        issuer.kill()
        issuer.restart()
        assert_refused(cli.with_environment(ISSUER_MASTER_KEY=old))


def test_the_key_in_the_environment_is_changed(tmp_path: Path, postgresql: PostgreSQL):
    """One server has the new key after the old one; another starts without the old one."""
    both = {"master_key": f"{OLD} {NEW}", "signing_algorithms": "ES256"}
    with (
        postgresql.database() as url,
        RunningIssuer(tmp_path, url, **both) as issuer,
    ):
        cli = Cli(ours(issuer))
        rewrap(issuer, cli.with_environment(ISSUER_MASTER_KEY=f"{NEW} {OLD}"))
        seals_a_new_key(issuer)
        issuer.environment["ISSUER_MASTER_KEY"] = NEW
        with issuer.replica() as replica:
            assert replica.token_endpoint.client_credentials(issuer.deployment.admin).status == 200
        assert_refused(cli.with_environment(ISSUER_MASTER_KEY=OLD))


def ours(issuer: RunningIssuer) -> dict[str, str]:
    return {name: value for name, value in issuer.environment.items() if name[:7] == "ISSUER_"}


def assert_refused(cli: Cli) -> None:
    sentence = cli("serve", "--port", "0").sentence
    assert sentence.startswith("The master key is not the one that encrypts the keys in this data")
