"""The pages for newcomers: each command on them is run, in order."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.driver import Cli
from tests.journeys.running_issuer import RunningIssuer

DOCS = Path(__file__).parent.parent / "docs"
COMMAND = re.compile(r"^\$ issuer (.+)$", re.MULTILINE)


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path) as issuer:
        with issuer.house.changing() as rooms:
            rooms.audiences.delete("my-os")
        yield issuer


def test_give_a_service_exactly_one_agent(issuer: RunningIssuer):
    cli = Cli(issuer.environment)
    said: dict[str, str] = {}
    secret = ""
    for line in COMMAND.findall((DOCS / "give-a-service-one-agent.md").read_text()):
        command = shlex.split(line)
        if command[:2] == ["client", "create"]:
            secret = cli.json(*command)["client_secret"]
        elif command[0] == "token":
            said[line] = cli.done(*command, "--client-secret-stdin", stdin=f"{secret}\n")
        else:
            said[line] = cli.done(*command)
    answers = {line.split()[3]: answer for line, answer in said.items() if "explain" in line}
    assert "allowed" in answers["/agents/web/runs"].lower()
    assert "web-runner" in answers["/agents/web/runs"]
    assert "refused" in answers["/agents/billing/runs"].lower()
    assert "agents:billing:run" in answers["/agents/billing/runs"]
    (token,) = [answer for line, answer in said.items() if line.startswith("token")]
    assert '"agents:web:run"' in token


def test_the_record_is_read_and_verified_as_the_page_says(issuer: RunningIssuer):
    cli = Cli(issuer.environment)
    cli.done("client", "create", "ci-bot")
    for line in COMMAND.findall((DOCS / "audit.md").read_text()):
        assert cli.done(*shlex.split(line))


def test_keys_are_looked_after_as_the_page_says(tmp_path: Path):
    """But for the drill, whose verifiers are elsewhere: tests/drilling."""
    with RunningIssuer(tmp_path, signing_algorithms="RS256,ES256") as issuer:
        cli = Cli(issuer.environment)
        for line in COMMAND.findall((DOCS / "keys.md").read_text()):
            command = shlex.split(line)
            if command[:2] == ["key", "revoke"]:
                keys = cli.json("key", "list")["items"]
                command[2] = next(key["kid"] for key in keys if key["state"] == "active")
            if command[:2] == ["key", "rotate"]:
                assert "may not sign before" in cli(*command).sentence
            elif command[:2] != ["key", "drill"]:
                cli.done(*command)


def test_tokens_are_taken_back_as_the_page_says(tmp_path: Path):
    with RunningIssuer(tmp_path) as issuer:
        issuer.house.user("alice", password=None)
        issuer.house.client("ci-bot")
        for line in COMMAND.findall((DOCS / "revoking.md").read_text()):
            Cli(issuer.environment).done(*shlex.split(line))
