"""`issuer status` against a running server."""

from pathlib import Path

import pytest

from issuer.cli.status import in_words
from tests.cli.driver import Cli, running
from tests.journeys.running_issuer import reserved_port


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


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(59, "59 s"), (60, "1 min"), (11_520, "3 h 12 min"), (90_000, "1 d 1 h")],
)
def test_durations_are_short(seconds: int, words: str):
    assert in_words(seconds) == words
