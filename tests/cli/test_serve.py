"""`issuer serve` and `issuer health`, in processes of their own."""

import json
import os
import signal
import socket
import tempfile
from base64 import b64encode
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from issuer.keys.sealing import new_master_key
from tests.builders import URL
from tests.cli.driver import Cli, Program, running
from tests.journeys.running_issuer import reserved_port, wait_until

SERVE = ["serve", "--port", "0", "--json"]
SECONDS = 60
SCRAPER = "a-token-for-scrapers"

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def client(cli: Cli) -> tuple[str, str]:
    """The credentials of a client that may have tokens."""
    cli.done("audience", "create", "my-os")
    made = cli.json("client", "create", "ci-bot", "--audience", "my-os", "--scope", "agents:run")
    return made["client_id"], made["client_secret"]


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_and_ends_cleanly(
    cli: Cli, client: tuple[str, str], tmp_path: Path, ending: signal.Signals
):
    with running(tmp_path / "server", cli.environment, *SERVE) as program:
        listening = program.listening()
        assert listening["issuer"] == cli.environment["ISSUER_URL"]
        answer = token(listening["url"], client)
        assert answer.status_code == httpx.codes.OK
        assert "server" not in answer.headers
        assert "date" in answer.headers
        result = program.stopped(ending)
    events = [json.loads(line) for line in result.err.splitlines()]
    assert result.status == 0
    assert listening["url"] in [
        event.get("url") for event in events if event["event"] == "listening"
    ]
    assert "Traceback" not in result.err
    assert client[1] not in result.err


@pytest.mark.slow
def test_a_client_that_asks_for_http2_and_sends_no_more_gets_its_tokens(
    cli: Cli, client: tuple[str, str], tmp_path: Path
):
    """As `curl --http2` asks. The requests are pipelined, and the client closes its half."""
    upgrade = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"
    basic = b64encode(":".join(client).encode()).decode()
    body = "grant_type=client_credentials"
    request = (
        f"POST /oauth2/token HTTP/1.1\r\nHost: issuer\r\nAuthorization: Basic {basic}\r\n{upgrade}"
        f"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}"
        f"\r\n\r\n{body}"
    )
    with running(tmp_path / "server", cli.environment, *SERVE) as program:
        url = httpx.URL(program.listening()["url"])
        with socket.create_connection((url.host, url.port or 0), timeout=SECONDS) as connection:
            connection.sendall(3 * request.encode())
            connection.shutdown(socket.SHUT_WR)
            received = b"".join(iter(lambda: connection.recv(65_536), b""))
        result = program.stopped(signal.SIGTERM)
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.count(b'"access_token"') == 3
    assert "unexpected_error" not in result.err


def test_two_workers_answer_and_end_cleanly(cli: Cli, client: tuple[str, str], tmp_path: Path):
    with running(tmp_path / "server", cli.environment, *SERVE, "--workers", "2") as program:
        url = program.listening()["url"]
        assert {token(url, client).status_code for _ in range(20)} == {200}
        workers = children(program)
        assert len(workers) == 2
        result = program.stopped(signal.SIGTERM)
    assert (result.status, result.out.count("\n")) == (0, 1)
    assert "Traceback" not in result.err
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert not answers(url)


@pytest.mark.slow
def test_a_worker_that_is_killed_is_replaced(cli: Cli, client: tuple[str, str], tmp_path: Path):
    with running(tmp_path / "server", cli.environment, *SERVE, "--workers", "2") as program:
        url = program.listening()["url"]
        before = children(program)
        os.kill(min(before), signal.SIGKILL)
        wait_until(
            lambda: len(children(program)) == 2 and children(program) != before,
            SECONDS,
            "the worker was replaced",
        )
        assert {token(url, client).status_code for _ in range(10)} == {200}
        assert program.stopped(signal.SIGINT).status == 0


@pytest.mark.slow
def test_workers_do_not_outlive_their_parent(cli: Cli, tmp_path: Path):
    with running(tmp_path / "server", cli.environment, *SERVE, "--workers", "2") as program:
        url = program.listening()["url"]
        program.kill()
        wait_until(lambda: not answers(url), SECONDS, "the workers ended")


@pytest.mark.slow
def test_workers_that_cannot_go_on_end_all(cli: Cli, tmp_path: Path, data_dir: Path):
    """No endless respawn: the next worker would fail for the same reason."""
    with running(tmp_path / "server", cli.environment, *SERVE, "--workers", "2") as program:
        program.listening()
        wait_until(lambda: program.err.count('"listening"') == 2, SECONDS, "both workers answer")
        (data_dir / "master.key").unlink()
        os.kill(min(children(program)), signal.SIGKILL)
        result = program.ended()
    assert result.status == 1
    assert "restore the file from your backup" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_error_at_the_start_is_one_sentence(cli: Cli, tmp_path: Path, workers: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        serve = ["serve", "--workers", workers, "--port", port]
        assert cli(*serve).sentence == (
            f"The address 127.0.0.1, port {port}, is taken by another program: end it, or choose"
            " another with --port."
        )
    wrong_key = cli.with_environment(ISSUER_MASTER_KEY=new_master_key(bytes))
    assert "master key is not the one" in wrong_key(*serve).sentence
    uninitialised = cli.with_environment(
        ISSUER_DATABASE_URL=None, ISSUER_DATA_DIR=str(tmp_path / "none")
    )
    assert "run `issuer init`" in uninitialised(*serve).sentence
    cli.done("audience", "create", "my-os")
    other_algorithm = cli.with_environment(ISSUER_SIGNING_ALGORITHMS="EdDSA")
    assert "ISSUER_SIGNING_ALGORITHMS does not name" in other_algorithm(*serve).sentence
    no_redis = cli.with_environment(ISSUER_RATE_LIMIT_REDIS_URL="redis://host:port")
    assert "ISSUER_RATE_LIMIT_REDIS_URL must be like" in no_redis(*serve).sentence
    for nowhere in ("no.such.host.invalid", "x" * 70, "203.0.113.1"):
        assert "cannot be used" in cli("serve", "--host", nowhere).sentence
    assert "name an address" in cli("serve", "--host", "").sentence


@pytest.mark.slow
@pytest.mark.parametrize(
    ("proxies", "address"), [("127.0.0.1", "203.0.113.9"), (None, "127.0.0.1")]
)
def test_only_a_trusted_proxy_sets_the_address_of_a_request(
    cli: Cli, client: tuple[str, str], tmp_path: Path, proxies: str | None, address: str
):
    cli = cli.with_environment(ISSUER_TRUSTED_PROXIES=proxies)
    with running(tmp_path / "server", cli.environment, *SERVE) as program:
        token(program.listening()["url"], client, {"X-Forwarded-For": "203.0.113.9"})
    assert addresses(cli) == [address]


@pytest.mark.slow
def test_metrics_cover_all_workers_including_ended_ones(
    cli: Cli, client: tuple[str, str], tmp_path: Path
):
    (temporary := tmp_path / "tmp").mkdir()
    cli = cli.with_environment(ISSUER_METRICS_TOKEN=SCRAPER, TMPDIR=str(temporary))
    with running(tmp_path / "server", cli.environment, *SERVE, "--workers", "2") as program:
        url = program.listening()["url"]
        before = children(program)
        assert {token(url, client).status_code for _ in range(10)} == {200}
        (folder,) = temporary.iterdir()
        assert folder.stat().st_mode & 0o777 == 0o700
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: answers(url), SECONDS, "other workers answer")
        assert issued(url) == {10}
        # Those that were killed are not counted.
        wait_until(lambda: scraped(url, "issuer_workers") == 2, SECONDS, "both have begun")
        assert scraped(url, "issuer_audit_writable") == 1
        assert {token(url, client).status_code for _ in range(10)} == {200}
        assert issued(url) == {20}
        assert program.stopped(signal.SIGTERM).status == 0
    assert list(temporary.iterdir()) == []


@pytest.mark.slow
def test_workers_use_the_metrics_folder_of_the_operator(
    cli: Cli, client: tuple[str, str], tmp_path: Path
):
    (folder := tmp_path / "counted").mkdir()
    cli = cli.with_environment(
        ISSUER_METRICS_TOKEN=SCRAPER, PROMETHEUS_MULTIPROC_DIR=str(folder), TMPDIR=str(tmp_path)
    )
    with running(tmp_path / "server", cli.environment, *SERVE, "--workers", "2") as program:
        url = program.listening()["url"]
        assert token(url, client).status_code == httpx.codes.OK
        assert issued(url) == {1}
        assert program.stopped(signal.SIGTERM).status == 0
    assert list(folder.glob("counter_*.db"))
    folder.rename(tmp_path / "elsewhere")
    with running(tmp_path / "again", cli.environment, *SERVE) as program:
        result = program.ended()
    assert result.status == 1
    assert f"PROMETHEUS_MULTIPROC_DIR is not a folder: {folder}." in result.err
    assert "Traceback" not in result.err


def test_without_a_metrics_folder_no_worker_starts(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    cli = cli.with_environment(ISSUER_METRICS_TOKEN=SCRAPER)
    refused = cli("serve", "--workers", "2", "--port", "0").sentence
    assert "Set PROMETHEUS_MULTIPROC_DIR to a folder" in refused


def test_health_asks_the_server(cli: Cli, tmp_path: Path):
    cli = cli.with_environment(ISSUER_URL="https://id.example/auth")
    cli.done("admin", "change-url")
    with running(tmp_path / "server", cli.environment, *SERVE) as program:
        url = program.listening()["url"]
        assert cli.json("health", "--url", f"{url}/auth") == {"status": "ok"}
        port = url.rpartition(":")[2]
        assert cli.json("health", "--port", port) == {"status": "ok"}
        assert cli("health", "--port", port, "--url", url).status == 2
        httpx.get(f"{url}/", timeout=SECONDS, trust_env=False)  # the first page takes longer
        assert "answers 404" in cli("health", "--url", url).sentence
        program.stopped(signal.SIGTERM)
    assert "does not answer" in cli("health", "--url", url).sentence


def test_health_is_not_that_of_a_neighbour(cli: Cli, tmp_path: Path):
    with running(tmp_path / "server", cli.environment, *SERVE) as program:
        url = program.listening()["url"]
        assert cli.json("health", "--url", url) == {"status": "ok"}
        mine = cli.with_environment(ISSUER_URL=url)
        for command in (["health"], ["health", "--url", url]):
            assert mine(*command).sentence.startswith(
                f"{url} is the server of another issuer, {URL}. ISSUER_URL is {url}: "
            )


def test_server_and_health_use_the_port_of_issuer_url(cli: Cli, tmp_path: Path):
    with reserved_port() as port:
        cli = cli.with_environment(ISSUER_URL=f"http://localhost:{port}")
        cli.done("admin", "change-url")
        with running(tmp_path / "server", cli.environment, "serve", "--json") as program:
            assert program.listening()["url"] == f"http://127.0.0.1:{port}"
            assert cli.json("health") == {"status": "ok"}


def token(
    url: str, client: tuple[str, str], headers: dict[str, str] | None = None
) -> httpx.Response:
    return httpx.post(
        f"{url}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=client,
        headers=headers,
        timeout=SECONDS,
        trust_env=False,
    )


def issued(url: str) -> set[float]:
    """How many tokens were issued, as seen by several scrapes, each of any worker."""
    return {scraped(url) for _ in range(10)}


def scraped(url: str, name: str = "issuer_tokens_issued_total") -> float:
    answer = httpx.get(
        f"{url}/metrics",
        headers={"Authorization": f"Bearer {SCRAPER}"},
        timeout=SECONDS,
        trust_env=False,
    )
    samples = [
        sample
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if sample.name == name
    ]
    return sum(sample.value for sample in samples)


def answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        answer = httpx.get(f"{url}/healthz", timeout=SECONDS, trust_env=False)
        return answer.status_code == httpx.codes.OK
    return False


def children(program: Program) -> set[int]:
    """The processes it started (Linux)."""
    listed = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text()
    return {int(pid) for pid in listed.split()}


def addresses(cli: Cli) -> list[str]:
    with cli.composition() as composition, composition.database.reading() as session:
        query = text("SELECT address FROM audit_events WHERE action = 'token.issued'")
        return list(session.scalars(query))
