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
from tests.verifiers import Reply, publishing, serving, verifying, without

SECONDS = 60


@pytest.fixture
def aged(new_cli: Cli) -> Cli:
    """A house two days old: its new key may sign."""
    initialised(Settings.from_environment(new_cli.environment), ClockBehind(timedelta(days=2)))
    new_cli.done("audience", "create", "my-os")
    new_cli.done("client", "create", "ci-bot", "--audience", "my-os")
    return new_cli


class Surroundings:
    """Who has our keys."""

    def __init__(self, cli: Cli, servers: ExitStack) -> None:
        self._cli = cli
        with cli.services() as services:
            services.keys.keyring.put_in_order()
            key_set = json.loads(services.keys.keyring.jwks.body)
        self.new, self.old = (key["kid"] for key in cli.json("key", "list")["items"])
        older = without(self.new, key_set)
        self._ours = servers.enter_context(serving(publishing(lambda: key_set)))
        self.good = servers.enter_context(serving(verifying(lambda: key_set)))
        self.outdated = servers.enter_context(serving(verifying(lambda: older)))
        self.open = servers.enter_context(serving(lambda _: Reply(200)))

    def drill(self, *verifiers: str) -> list[str]:
        """The words of the command."""
        options = [word for url in verifiers for word in ("--verifier", url)]
        return ["key", "drill", *options, "--client-id", "ci-bot", "--jwks-url", self._ours]

    def signing(self) -> str:
        items: list[dict[str, Any]] = self._cli.json("key", "list")["items"]
        return next(key["kid"] for key in items if key["state"] == "active")


@pytest.fixture
def surroundings(aged: Cli) -> Iterator[Surroundings]:
    with ExitStack() as servers:
        yield Surroundings(aged, servers)


def test_all_is_well(aged: Cli, surroundings: Surroundings):
    said = aged.done(*surroundings.drill(surroundings.good))
    assert "has both keys" in said
    assert "accepts both keys and refuses a forged token" in said
    assert said.endswith(f"All checks passed. The old key is active: {surroundings.old}.\n")
    assert "eyJ" not in said


def test_in_json(aged: Cli, surroundings: Surroundings):
    said = aged.json(*surroundings.drill(surroundings.good))
    assert (said["ok"], said["rotated"], said["alg"]) == (True, False, "ES256")
    assert (said["old_kid"], said["new_kid"]) == (surroundings.old, surroundings.new)
    assert said["after"] == []
    assert said["before"][1] == {
        "url": surroundings.good,
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
    aged: Cli, surroundings: Surroundings, form: list[str]
):
    verifiers = (surroundings.good, surroundings.outdated, surroundings.open)
    result = aged(*surroundings.drill(*verifiers), "--rotate", *form)
    assert result.status == 1
    assert result.err == f"2 of 4 checks failed. The old key is active: {surroundings.old}.\n"
    assert "refuses tokens of the new key" in result.out
    assert "does not verify" in result.out
    assert surroundings.signing() == surroundings.old
    if form:
        assert result.json["ok"] is False


def test_it_rotates_when_told_to(aged: Cli, surroundings: Surroundings):
    said = aged.done(*surroundings.drill(surroundings.good), "--rotate")
    assert (said.count("before"), said.count("after")) == (2, 2)
    assert said.endswith(f"All checks passed. The new key is active: {surroundings.new}.\n")
    assert surroundings.signing() == surroundings.new


def test_what_cannot_be_drilled_is_one_sentence(aged: Cli):
    url = "https://alice:hunter2@os.example/agents"
    sentence = aged("key", "drill", "--verifier", url).sentence
    assert sentence == "verifier: must be a URL without credentials: URLs are printed."
    assert aged("key", "drill").status == 2


def test_it_can_be_interrupted_while_it_waits(new_cli: Cli, tmp_path: Path):
    """The keys of a new house were announced just now."""
    new_cli.done("init")
    drill = ["key", "drill", "--verifier", "https://os.example/agents"]
    with running(tmp_path / "drill", new_cli.environment, *drill) as program:
        wait_until(lambda: "waiting" in program.err, SECONDS, "it says that it waits")
        result = program.stopped(signal.SIGINT)
    assert (result.status, result.out) == (1, "")
    _waiting, interrupted = result.err.splitlines()
    assert interrupted == "Interrupted while it waited: the old key signs on."
