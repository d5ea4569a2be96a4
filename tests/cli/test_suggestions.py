"""Errors suggest what was meant, and are JSON with `--json`."""

import pytest

from tests.cli.driver import Cli

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def configured(cli: Cli) -> Cli:
    cli.done("audience", "create", "my-os")
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("client", "create", "ci-bot", "--audience", "my-os")
    cli.done("user", "create", "alice")
    return cli


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("role show runer", "runner"),
        ("client role assign ci-bot runer --everywhere", "runner"),
        ("client role assign ci-bot runner --audience my-oss", "my-os"),
        ("client secret list cibot", "ci-bot"),
        ("audience delete my_os", "my-os"),
        ("user show alise", "alice"),
        ("user password alise --generate", "alice"),
        ("explain cibot GET /agents", "ci-bot"),
    ],
)
def test_a_misspelled_name_is_answered_with_a_similar_one(
    configured: Cli, command: str, meant: str
):
    refused = configured(*command.split()).sentence
    assert refused.startswith("There is no ")
    assert refused.endswith(f". Did you mean {meant}?")
    as_json = configured(*command.split(), "--json").error
    assert as_json == refused


def test_nothing_is_suggested_for_a_name_like_no_other(configured: Cli):
    assert configured("role", "show", "zebra").sentence == "There is no role 'zebra'."


def test_names_in_a_manifest_are_suggested(configured: Cli):
    source = "clients: [{client_id: web, audiences: [my-oss], roles: [{role: runer}]}]"
    refused = configured("plan", "-f", "-", stdin=source).err
    assert "Did you mean my-os?" in refused
    assert "Did you mean runner?" in refused


def test_the_value_of_an_option_without_its_name_is_recognised(configured: Cli):
    refused = configured("key", "rotate", "rs256")
    assert refused.status == 2
    assert "Did you mean --alg RS256?" in " ".join(refused.err.replace("│", "").split())
