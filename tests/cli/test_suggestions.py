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
    cli.done("trusted-issuer", "create", "github", "--issuer", "https://github.example")
    return cli


MISSPELLED = [
    ("role show runer", "runner"),
    ("client role assign ci-bot runer --everywhere", "runner"),
    ("client role assign ci-bot runner --audience my-oss", "my-os"),
    ("client role unassign ci-bot runer --everywhere", "runner"),
    ("client secret list cibot", "ci-bot"),
    ("client create new --audience my-oss", "my-os"),
    ("client create new --audience my-os --role runer", "runner"),
    ("client update ci-bot --add-audience my-oss", "my-os"),
    ("client trust add ci-bot --issuer gitub --oidc subject", "github"),
    ("audience delete my_os", "my-os"),
    ("user show alise", "alice"),
    ("user password alise --generate", "alice"),
    ("user consent withdraw alice cibot", "ci-bot"),
    ("explain cibot GET /agents", "ci-bot"),
    ("explain ci-bot GET /agents --audience my-oss", "my-os"),
    ("explain alice GET /agents --audience my-os --client cibot", "ci-bot"),
    ("preview ci-bot --audience my-oss", "my-os"),
    ("preview ci-bot --user alise", "alice"),
]


def test_a_misspelled_name_is_answered_with_a_similar_one(configured: Cli):
    for command, meant in MISSPELLED:
        refused = configured(*command.split()).sentence
        assert refused.endswith(f". Did you mean {meant}?"), command
        assert configured(*command.split(), "--json").error == refused, command


def test_nothing_is_suggested_for_a_name_like_no_other(configured: Cli):
    sentence = configured("role", "show", "zebra").sentence
    assert sentence == "There is no role 'zebra'. See `issuer role list`."
    unassigned = configured("client", "role", "unassign", "ci-bot", "runner", "--everywhere")
    assert unassigned.sentence == "There is no assignment of the role 'runner'."


def test_names_in_a_manifest_are_suggested(configured: Cli):
    source = "clients: [{client_id: web, audiences: [my-oss], roles: [{role: runer}]}]"
    refused = configured("plan", "-f", "-", stdin=source).err
    assert "Did you mean my-os?" in refused
    assert "Did you mean runner?" in refused


def test_the_value_of_an_option_without_its_name_is_recognised(configured: Cli):
    refused = configured("key", "rotate", "rs256").wrong_usage
    assert "Did you mean --alg RS256?" in refused
