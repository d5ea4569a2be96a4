"""`issuer status` against a running server."""

from pathlib import Path
from typing import Any

import pytest

from issuer.cli.running.status import _show, in_words
from issuer.status.report import server_status
from tests.builders import Deployment
from tests.cli.driver import Cli, running
from tests.journeys.running_issuer import reserved_port
from tests.verifiers.reporting import reported


@pytest.mark.slow
def test_it_shows_a_running_server_and_says_what_to_do_without_one(tmp_path: Path):
    with reserved_port() as port:
        cli = Cli(
            {
                "ISSUER_URL": f"http://127.0.0.1:{port}",
                "ISSUER_DATA_DIR": str(tmp_path / "data"),
                "ISSUER_SIGNING_ALGORITHMS": "ES256",
                "XDG_CACHE_HOME": str(tmp_path / "cache"),
            }
        )
        secret = cli.json("init")["client_secret"]
        cli = cli.with_environment(CLIENT_SECRET=secret)
        with running(tmp_path, cli.environment, "serve", "--port", str(port), "--json") as server:
            server.listening()
            shown = cli.done("status")
            for part in ("tokens", "database", "keys", "audit", "queues", "verifiers", "jobs"):
                assert part in shown
            assert "problem" not in shown
            assert cli.json("status", "--cache")["attention"] == []
            assert cli.with_environment(CLIENT_SECRET="").json("status", "--cache")["can_issue"]
        away = cli("status")
        assert away.status == 1
        assert "does not answer" in away.sentence


@pytest.mark.slow
def test_a_server_is_asked_where_this_machine_reaches_it(tmp_path: Path):
    """As in a container, whose issuer URL leads through a proxy."""
    with reserved_port() as port:
        at = f"http://127.0.0.1:{port}/auth"
        cli = Cli(
            {
                "ISSUER_URL": "https://id.example/auth",
                "ISSUER_DATA_DIR": str(tmp_path / "data"),
                "ISSUER_SIGNING_ALGORITHMS": "ES256",
            }
        )
        secret = cli.json("init")["client_secret"]
        cli = cli.with_environment(CLIENT_SECRET=secret)
        with running(tmp_path, cli.environment, "serve", "--port", str(port), "--json") as server:
            server.listening()
            assert cli.json("status", "--at", at)["issuer"] == "https://id.example/auth"
            assert (
                f"The server at {at} has"
                in cli("status", "--url", "https://x.example", "--at", at).err
            )
            assert (
                "neither https:// nor" in cli("status", "--at", f"http://192.0.2.1:{port}").sentence
            )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "59 s"), (60, "1 min"), (11_520, "3 h 12 min"), (90_000, "1 d 1 h")],
)
def test_durations_are_short(seconds: int, words: str):
    assert in_words(seconds) == words


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_rights_and_secrets_that_end_soon_are_a_warning(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
):
    def line(found: dict[str, Any]) -> list[str]:
        _show(found)
        (line,) = [each for each in capsys.readouterr().out.splitlines() if "rights" in each]
        return line.strip().split(maxsplit=2)[1:]

    found = server_status(deployment.services.running([])).model_dump(mode="json")
    assert line(found) == ["ok", "none ends within a week"]
    ending = {"roles": 2, "scopes": 0, "secrets": 100, "first_at": "2026-12-01T10:00:00Z"}
    assert line({**found, "ending": {**ending, "is_complete": False}}) == [
        "warning",
        "within a week end at least 2 roles, 100 secrets, the first at 2026-12-01 10:00 UTC:"
        " `issuer doctor` names them",
    ]
    del found["ending"]
    _show(found)
    assert "rights" not in capsys.readouterr().out


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_verifiers_that_lack_the_next_key_are_not_ok(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
):
    def verdict() -> str:
        status = server_status(deployment.services.running([]))
        _show(status.model_dump(mode="json"))
        (line,) = [e for e in capsys.readouterr().out.splitlines() if "verifiers" in e]
        return line.split()[1]

    assert verdict() == "ok"
    reported(deployment, ["old"])
    assert verdict() == "waiting"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_provider_that_is_away_is_a_line(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
):
    away = {"issuer": "https://sso.example", "problem": "It answered 502.", "failed_before": 130}
    found = server_status(deployment.services.running([])).model_dump(mode="json")
    attention = {"subject": "providers", "problem": "It answered 502.", "remedy": "Wait."}
    _show({**found, "providers": [away], "attention": [attention]})
    (line,) = [e for e in capsys.readouterr().out.splitlines() if "failed" in e]
    assert " ".join(line.split()) == "providers problem https://sso.example: failed 2 min ago"
