"""Mistakes at the command line: each is told its cause, and what to do about it."""

import shlex

import pytest

from tests.cli.driver import Cli
from tests.rows import rows


@pytest.fixture
def database_kind() -> str:
    """The texts are the same on both."""
    return "sqlite"


def configure(cli: Cli) -> None:
    cli.done("audience", "create", "my-os")
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("client", "create", "ci-bot", "--audience", "my-os", "--role", "runner")
    cli.done("user", "create", "alice")


@pytest.fixture
def arrange_cli() -> object:
    return configure


@rows(
    ("command", "cause", "cure"),
    [
        ("client show ci-bt", "There is no client 'ci-bt'.", "Did you mean ci-bot?"),
        ("client show zebra", "There is no client 'zebra'.", "See `issuer client list`."),
        ("group show zebra", "There is no group 'zebra'.", "See `issuer group list`."),
        (
            "explain zebra GET /agents",
            "There is no client or user 'zebra'.",
            "See `issuer client list` or `issuer user list`.",
        ),
        ("client create ci-bot", "'ci-bot' is taken by an existing client", "choose another"),
        ("client create x --audience my-oss", "no audience 'my-oss'", "Did you mean my-os?"),
        ("role delete runner", "in use by ci-bot", "With --cascade it is deleted"),
        ("clients list", "No such command 'clients'.", "Did you mean 'client'?"),
        ("client create x --audiance a", "No such option: --audiance", "--audience"),
        (
            "client create x --auth-method basic",
            "Invalid value for '--auth-method': 'basic' is not one of",
            "'client_secret_basic'",
        ),
        ("client create x --public", "--public needs", "--redirect-uri URI or --device"),
        ("client create x --server", "--server needs a URL", "such as https://id.example"),
        ("--server client list", "--server needs a URL", "such as https://id.example"),
        (
            "client create x --redirect-uri app.example/cb",
            "redirect_uris.0",
            "must begin with https://",
        ),
        ("client create x --access-token-ttl 48h", "access_token_ttl", "60 to 86400 seconds"),
        ("client create x --claims {a:b}", "must be a JSON object", 'such as {"tenant": "a"}'),
        ("role create x --scope agent:web:run", "No known AgentOS", "did you mean agents:web:run?"),
        ("role create x --scope 'agents:run teams:run'", "one scope", "give each by itself"),
        ("client role assign ci-bot runner", "audience: name either", "one audience or everywhere"),
        ("user role assign alice runner --everywhere --for 8", "'--for'", "must be like"),
        ("audit list --action client.creatd", "no action 'client.creatd'", "client.created?"),
        ("audience inspect my-os", "has no URL", "set the `url` of its AgentOS first"),
        ("mail test a@b.example", "Mail is off", "set ISSUER_SMTP_URL and ISSUER_SMTP_FROM"),
        ("plan -f missing.yaml", "missing.yaml cannot be read", "No such file"),
        ("login id.example", "'id.example' is not a URL", "begin it with https://"),
        ("login http://id.example", "A secret is not sent to", "neither https:// nor loopback"),
        ("status --url http://127.0.0.1:1", "does not answer: Connection refused", "issuer serve"),
        ("token", "sign in with `issuer login", "or name the client with --client-id"),
        ("client list --server https://x.example", "not signed in", "`issuer login https://x."),
    ],
)
def test_a_mistake_is_told_its_cause_and_its_cure(cli: Cli, command: str, cause: str, cure: str):
    result = cli(*shlex.split(command))
    assert (result.status in {1, 2}, result.out) == (True, "")
    assert cause in result.err
    assert cure in result.err
    assert result.err.count("\n") == 1


@rows(
    ("settings", "cause", "cure"),
    [
        ({"ISSUER_DATA_DIR": "/nowhere"}, "master key /nowhere/master.key is missing", "restore"),
        ({"ISSUER_ACCESS_TOKEN_TLL": "9"}, "is not a setting", "ISSUER_ACCESS_TOKEN_TTL?"),
        ({"ISSUER_ACCESS_TOKEN_TTL": "abc"}, "must be a number with a unit", "such as 900s"),
        ({"ISSUER_URL": "id.example"}, "ISSUER_URL must be", "an https:// URL"),
        ({"ISSUER_URL": "https://x.example"}, "this database belongs to", "admin change-url"),
        ({"ISSUER_DATABASE_URL": "mysql://x"}, "ISSUER_DATABASE_URL", "must begin with sqlite"),
        ({"ISSUER_MASTER_KEY": "abc"}, "must be 32 bytes as base64", "copy the whole key"),
    ],
)
def test_a_wrong_setting_is_told_its_cause_and_its_cure(
    cli: Cli, settings: dict[str, str], cause: str, cure: str
):
    sentence = cli.with_environment(**settings)("client", "list").sentence
    assert cause in sentence
    assert cure in sentence
