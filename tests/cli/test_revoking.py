"""`issuer token revoke`, `revoke-tokens`, `--and-its-tokens`."""

from typing import Any

import pytest

from issuer.tokens.authorization import Authorization
from tests.builders import PASSWORD
from tests.cli.driver import Cli

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def token(cli: Cli) -> str:
    """Of the client ci-bot for the user alice."""
    cli.done("audience", "create", "my-os")
    cli.done("client", "create", "ci-bot", "--audience", "my-os", "--scope", "agents:run")
    cli.done("user", "create", "alice", "--id", "alice")
    cli.done("user", "password", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    with cli.composition() as composition:
        composition.keys.keyring.reload()
        client = composition.tokens.directory.load_client("ci-bot")
        user = composition.tokens.directory.load_user("alice")
        assert client is not None
        assert user is not None
        return composition.tokens.issuer.issue(
            Authorization.of_user(user, client, client.audiences["my-os"]), composition.clock()
        ).token


def is_revoked(cli: Cli, token: str) -> bool:
    question = ("--token-stdin", "GET", "/agents")
    return cli("explain", *question, stdin=token).err == "token: revoked.\n"


def jti_of(cli: Cli, token: str) -> str:
    with cli.composition() as composition:
        composition.keys.keyring.reload()
        return composition.tokens.any_reader.read(token).jti


def test_one_token_from_standard_input(cli: Cli, token: str):
    assert not is_revoked(cli, token)
    jti = jti_of(cli, token)
    assert cli.json("token", "revoke", "--token-stdin", stdin=token) == {"revoked": jti}
    assert is_revoked(cli, token)
    assert (
        cli.done("token", "revoke", "--token-stdin", stdin=token) == f"Revoked the token {jti}.\n"
    )


def test_one_token_by_its_id(cli: Cli, token: str):
    jti = jti_of(cli, token)
    assert cli.json("token", "revoke", "--jti", jti) == {"revoked": jti}
    assert is_revoked(cli, token)


@pytest.mark.parametrize("command", ["user revoke-tokens alice", "client revoke-tokens ci-bot"])
def test_all_tokens_of_one(cli: Cli, token: str, command: str):
    printed = cli.json(*command.split(), "--yes")
    assert printed == {"revoked": command.rsplit(maxsplit=1)[-1]}
    assert is_revoked(cli, token)


def test_all_tokens_for_an_audience_that_is_deleted(cli: Cli, token: str):
    """Also once another audience with that id is created."""
    cli.done("audience", "delete", "my-os", "--cascade", "--yes")
    assert is_revoked(cli, token)
    cli.done("audience", "create", "my-os")
    cli.done("client", "update", "ci-bot", "--add-audience", "my-os")
    assert is_revoked(cli, token)


def test_a_secret_with_its_tokens(cli: Cli, token: str):
    made: list[dict[str, Any]] = cli.json("client", "secret", "list", "ci-bot")["items"]
    delete = ("client", "secret", "delete", "ci-bot", made[0]["id"], "--and-its-tokens")
    assert cli.done(*delete).endswith("The client's tokens are revoked.\n")
    assert is_revoked(cli, token)


def test_a_foreign_token_is_refused(cli: Cli, token: str):
    refused = cli("token", "revoke", "--token-stdin", stdin="a.b.c")
    assert refused.sentence.startswith("token: not a token of this issuer")
    assert "jti" in cli("token", "revoke", "--jti", "a b").sentence
    assert "There is no user" in cli("user", "revoke-tokens", "unknown").sentence
    assert "There is no client" in cli("client", "revoke-tokens", "unknown").sentence


def test_wrong_usage(cli: Cli, token: str):
    assert cli("token", "revoke", "--jti", "j", "--token-stdin").status == 2
    assert cli("token", "--audience", "my-os").status == 2
