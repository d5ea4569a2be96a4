"""`issuer key drill`."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from issuer.settings import Settings
from tests.builders import ClockBehind, initialised
from tests.cli.driver import Cli, running
from tests.journeys.running_issuer import wait_until
from tests.verifying_servers import Reply, publishing, serving, verifying, without

SECONDS = 60


@pytest.fixture
def aged(new_cli: Cli) -> Cli:
    """Initialised two days ago, so that its next key may sign."""
    initialised(Settings.from_environment(new_cli.environment), ClockBehind(timedelta(days=2)))
    new_cli.done("audience", "create", "my-os")
    new_cli.done("client", "create", "ci-bot", "--audience", "my-os")
    return new_cli


class Verifiers:
    """Servers that hold the keys of the issuer, and some that do not."""

    def __init__(self, cli: Cli, servers: ExitStack) -> None:
        self._cli = cli
        with cli.composition() as composition:
            composition.keys.keyring.reconcile()
            key_set = json.loads(composition.keys.keyring.jwks.body)
        self.new, self.old = (key["kid"] for key in cli.json("key", "list")["items"])
        older = without(self.new, key_set)
        self._ours = servers.enter_context(serving(publishing(lambda: key_set)))
        self.good = servers.enter_context(serving(verifying(lambda: key_set)))
        self.outdated = servers.enter_context(serving(verifying(lambda: older)))
        self.open = servers.enter_context(serving(lambda _: Reply(200)))

    def drill(self, *verifiers: str) -> list[str]:
        """The arguments of the command."""
        options = [word for url in verifiers for word in ("--verifier", url)]
        return ["key", "drill", *options, "--client-id", "ci-bot", "--jwks-url", self._ours]

    def signing(self) -> str:
        items: list[dict[str, Any]] = self._cli.json("key", "list")["items"]
        return next(key["kid"] for key in items if key["state"] == "active")


@pytest.fixture
def verifier_servers(aged: Cli) -> Iterator[Verifiers]:
    with ExitStack() as servers:
        yield Verifiers(aged, servers)


def test_a_drill_that_passes_leaves_the_old_key_signing(aged: Cli, verifier_servers: Verifiers):
    printed = aged.done(*verifier_servers.drill(verifier_servers.good))
    assert "has both keys" in printed
    assert "accepts both keys and refuses a forged token" in printed
    assert printed.endswith(f"All checks passed. The old key is active: {verifier_servers.old}.\n")
    assert "eyJ" not in printed


def test_the_report_in_json(aged: Cli, verifier_servers: Verifiers):
    printed = aged.json(*verifier_servers.drill(verifier_servers.good))
    assert (printed["ok"], printed["rotated"], printed["alg"]) == (True, False, "ES256")
    assert (printed["old_kid"], printed["new_kid"]) == (verifier_servers.old, verifier_servers.new)
    assert printed["after"] == []
    assert printed["before"][1] == {
        "url": verifier_servers.good,
        "kind": "verifier",
        "ok": True,
        "saw": "accepts both keys and refuses a forged token",
        "old": 200,
        "new": 200,
        "forged": 401,
        "missing": [],
    }


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_whatever_fails_leaves_the_old_key_signing(
    aged: Cli, verifier_servers: Verifiers, form: list[str]
):
    verifiers = (verifier_servers.good, verifier_servers.outdated, verifier_servers.open)
    result = aged(*verifier_servers.drill(*verifiers), "--rotate", *form)
    assert result.status == 1
    refused = f"2 of 4 checks failed. The old key is active: {verifier_servers.old}."
    assert result.err == (json.dumps({"error": refused}) if form else refused) + "\n"
    assert "refuses tokens of the new key" in result.out
    assert "does not verify" in result.out
    assert verifier_servers.signing() == verifier_servers.old
    if form:
        assert result.json["ok"] is False


def test_it_rotates_with_the_option(aged: Cli, verifier_servers: Verifiers):
    printed = aged.done(*verifier_servers.drill(verifier_servers.good), "--rotate")
    assert (printed.count("before"), printed.count("after")) == (2, 2)
    assert printed.endswith(f"All checks passed. The new key is active: {verifier_servers.new}.\n")
    assert verifier_servers.signing() == verifier_servers.new


def test_what_cannot_be_drilled_is_one_sentence(aged: Cli):
    url = "https://alice:hunter2@os.example/agents"
    sentence = aged("key", "drill", "--verifier", url).sentence
    assert sentence == "verifier: must be a URL without credentials: URLs are printed."
    assert aged("key", "drill").status == 2


def test_it_can_be_interrupted_while_it_waits(new_cli: Cli, tmp_path: Path):
    """The keys of a new deployment were announced just now."""
    new_cli.done("init")
    drill = ["key", "drill", "--verifier", "https://os.example/agents"]
    with running(tmp_path / "drill", new_cli.environment, *drill) as program:
        wait_until(lambda: "waiting" in program.err, SECONDS, "it says that it waits")
        result = program.stopped(signal.SIGINT)
    assert (result.status, result.out) == (1, "")
    _waiting, interrupted = result.err.splitlines()
    assert interrupted == "Interrupted while waiting: the old key continues to sign."
