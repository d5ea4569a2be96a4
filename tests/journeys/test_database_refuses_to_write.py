"""A read-only database: every part reports the failure, and recovers afterwards."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from issuer.audit.audit_log_store import EventFilter
from tests.builders import Credentials
from tests.cli.driver import Cli
from tests.databases import connect, running_server
from tests.drivers import AdminApi, problem
from tests.journeys.running_issuer import RunningIssuer, reserved_port, wait_until
from tests.private_postgresql import PostgresqlServer

ERRORS = " ".join((Path(__file__).parents[2] / "docs/reference/errors.md").read_text().split())
SECONDS = 30
MEGABYTE = 1024 * 1024
READ_ONLY_MOUNT = (
    "Cannot open the database (sqlite:////data/issuer.db): unable to open database file:"
    " /data is not writable."
)


def test_a_read_only_postgresql_is_reported_by_readiness_tokens_log_doctor_and_commands(
    empty_postgresql: PostgresqlServer, tmp_path: Path
):
    with RunningIssuer(tmp_path, empty_postgresql.url, signing_algorithms="ES256") as issuer:
        client, admin = with_a_user(issuer)
        assert issuer.token_endpoint.client_credentials(client).status == 200
        empty_postgresql.set_read_only(True)
        try:
            cause = "cannot execute UPDATE in a read-only transaction"
            requires_writing(issuer, client, admin, cause)
            assert "cannot execute nextval() in a read-only transaction" in issuer.log
        finally:
            empty_postgresql.set_read_only(False)
        recovers(issuer, client)


def test_a_full_disk_is_reported_by_readiness_tokens_log_doctor_and_commands(tmp_path: Path):
    with tmpfs(tmp_path / "disk", "size=4m") as disk:
        url = f"sqlite:///{disk}/issuer.db"
        with RunningIssuer(tmp_path, url, signing_algorithms="ES256") as issuer:
            client, admin = with_a_user(issuer)
            assert issuer.token_endpoint.client_credentials(client).status == 200
            fill(disk / "ballast")
            wait_until(
                lambda: issuer.token_endpoint.client_credentials(client).status != 200,
                SECONDS,
                "token requests fail",
            )
            requires_writing(issuer, client, admin, "database or disk is full")
            (disk / "ballast").unlink()
            recovers(issuer, client)


def test_a_full_disk_of_postgresql_is_reported_by_readiness_tokens_log_and_doctor(tmp_path: Path):
    """A small write may succeed there and a token's audit event fail."""
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as open_to_all,
        tmpfs(Path(open_to_all) / "disk", "size=120m") as disk,
        reserved_port() as port,
    ):
        Path(open_to_all).chmod(0o755)
        small = {"max_wal_size": "48MB", "min_wal_size": "32MB"}
        with running_server(disk, port=str(port), **small) as host:
            with connect(host, port=port) as connection:
                connection.execute("CREATE DATABASE issuer")
            url = f"postgresql://postgres@/issuer?host={host}&port={port}"
            with RunningIssuer(tmp_path, url, signing_algorithms="ES256") as issuer:
                client = issuer.deployment.client()
                fill(disk / "ballast")
                is_refused = lambda: issuer.token_endpoint.client_credentials(client).status == 503  # noqa: E731
                # The first refusal may leave free pages, which further tokens use up.
                unusable = lambda: is_refused() and not is_ready(issuer)  # noqa: E731
                wait_until(unusable, SECONDS, "token requests fail, and it is not ready")
                doctor = Cli(issuer.environment)("doctor")
                assert doctor.status == 1
                assert "No space left on device." in doctor.out
                assert '"cause": "could not extend file' in issuer.log
                (disk / "ballast").unlink()
                recovers(issuer, client)


def test_a_read_only_mount_is_reported_by_doctor_and_commands(tmp_path: Path):
    with tmpfs(tmp_path / "disk") as disk:
        environment = RunningIssuer(tmp_path, f"sqlite:///{disk}/issuer.db")
        cli = Cli(environment.environment)
        environment.__exit__()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        for command in ("doctor", "role create reader", "init", "serve --port 0"):
            result = cli(*command.split())
            assert result.status == 1
            output = " ".join((result.out + result.err).split()).replace(str(disk), "/data")
            assert READ_ONLY_MOUNT in output
            assert READ_ONLY_MOUNT in ERRORS


def with_a_user(issuer: RunningIssuer) -> tuple[Credentials, AdminApi]:
    """A client that a user signs in through, and the admin API."""
    issuer.deployment.user("alice")
    client = issuer.deployment.client(grant_types=["client_credentials", "password"])
    admin = issuer.token_endpoint.client_credentials(issuer.deployment.admin)
    return client, AdminApi(issuer.http, admin.token)


def requires_writing(
    issuer: RunningIssuer, client: Credentials, admin: AdminApi, cause: str
) -> None:
    """503 from `/readyz` and the token endpoint, and `cause` in log, doctor and commands."""
    wait_until(lambda: not is_ready(issuer), SECONDS, "it is not ready")
    answer = issuer.token_endpoint.client_credentials(client)
    assert (answer.status, answer.error) == (503, "temporarily_unavailable")
    assert int(answer.response.headers["retry-after"]) >= 1
    assert "database" not in answer.response.text
    assert issuer.token_endpoint.password(client, "alice").status == 503
    created = admin.post("/roles", name="reader", scopes=["agents:read"])
    assert problem(created) == (503, "temporarily-unavailable")
    assert int(created.headers["retry-after"]) >= 1
    (refused,) = [line for line in lines(issuer) if line["event"] == "admin_refused"]
    assert (refused["client"], refused["path"]) == ("issuer-admin", "/admin/v1/roles")
    assert "Cannot use the database" in refused["reason"]
    events = [line["event"] for line in lines(issuer)]
    assert "unexpected_error" not in events
    causes = [x["cause"] for x in lines(issuer) if x["event"] == "database_unavailable"]
    assert causes
    assert len(causes) == len(set(causes))
    cli = Cli(issuer.environment)
    doctor, command = cli("doctor"), cli("role", "create", "reader")
    assert (doctor.status, command.status) == (1, 1)
    assert f"): {cause}." in " ".join(doctor.out.split())
    assert documented(command.sentence) in ERRORS


def recovers(issuer: RunningIssuer, client: Credentials) -> None:
    """Without a restart."""
    wait_until(lambda: is_ready(issuer), SECONDS, "it is ready again")
    assert issuer.token_endpoint.client_credentials(client).status == 200
    assert "database_available" in [line["event"] for line in lines(issuer)]
    Cli(issuer.environment).done("doctor")
    with issuer.deployment.services.administration.reading() as work:
        resumed = work.audit_log.page(EventFilter(action="audit.resumed"), None, 10)
    assert resumed


def is_ready(issuer: RunningIssuer) -> bool:
    return issuer.http.get("/readyz").status_code == 200


def lines(issuer: RunningIssuer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in issuer.log.splitlines() if line.startswith("{")]


def documented(sentence: str) -> str:
    """The sentence with the address of a typical deployment."""
    _, _, reason = sentence.partition("): ")
    is_sqlite = "(sqlite:" in sentence
    url = "sqlite:////data/issuer.db" if is_sqlite else "postgresql://issuer:***@db:5432/issuer"
    return f"Cannot use the database ({url}): {reason}"


@contextmanager
def tmpfs(where: Path, options: str = "size=32m") -> Iterator[Path]:
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", where], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("may not mount a file system here")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


def fill(path: Path) -> None:
    """Fill the disk completely."""
    with path.open("wb", buffering=0) as file:
        for size in (MEGABYTE, 4096, 1):
            try:
                while file.write(os.urandom(size)) == size:
                    pass
            except OSError:
                continue
