"""`issuer user`."""

import pytest

from issuer.errors import InvalidCredentials
from tests.builders import PASSWORD
from tests.cli.driver import Cli

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def alice(cli: Cli) -> str:
    return cli.json("user", "create", "alice", "--email", "alice@example.com")["id"]


def test_a_user_is_named_by_id_or_name(cli: Cli, alice: str):
    assert cli.json("user", "show", "Alice") == cli.json("user", "show", alice)
    assert (
        cli.json("user", "update", "alice", "--username", "bob", "--email", "", "--yes")["email"]
        is None
    )
    assert cli.json("user", "show", "bob")["id"] == alice
    assert cli.json("user", "delete", "bob") == {"deleted": alice}


def test_an_id_comes_before_a_name(cli: Cli, alice: str):
    """Otherwise a user named like another user's id would be taken for that user."""
    other = cli.json("user", "create", alice)["id"]
    assert cli.json("user", "show", alice)["username"] == "alice"
    assert cli.json("user", "show", other)["username"] == alice


def test_a_password_from_standard_input(cli: Cli, alice: str):
    assert cli.json("user", "password", "alice", "--password-stdin", stdin=f"{PASSWORD}\n") == {
        "id": alice
    }
    assert signs_in(cli, PASSWORD)
    assert not signs_in(cli, PASSWORD + " ")


def test_a_generated_password_is_shown_once(cli: Cli, alice: str):
    first = cli.json("user", "password", "alice", "--generate")["password"]
    assert signs_in(cli, first)
    shown = cli.done("user", "password", alice, "--generate")
    second = shown.split("password: ")[1].split()[0]
    assert signs_in(cli, second)
    assert not signs_in(cli, first)
    assert second not in cli.done("user", "show", "alice", "--json")


@pytest.mark.parametrize("way", ["host"])
def test_failed_attempts_and_locks_are_shown(cli: Cli, alice: str):
    cli = cli.with_environment(ISSUER_SIGN_IN_FAILURES="1")
    cli.done("user", "password", "alice", "--password-stdin", stdin=f"{PASSWORD}\n")
    seen = []
    for _ in range(2):
        shown = cli.json("user", "show", "alice")
        seen.append((shown["failed_attempts"], shown["locked_until"] is not None))
        signs_in(cli, "wrong")
    assert seen == [(0, False), (1, True)]
    cli.done("user", "unlock", "alice")
    shown = cli.json("user", "show", "alice")
    assert (shown["failed_attempts"], shown["locked_until"]) == (0, None)


@pytest.mark.parametrize(
    ("password", "sentence"),
    [
        ("short", "12 to 256 characters"),
        ("", "12 to 256 characters"),
        ("alice" * 60, "12 to 256"),
        ("1q2w3e4r5t6y", "too common"),
        ("alicealicealice", "one text repeated"),
    ],
)
def test_a_password_against_the_policy_is_refused(
    cli: Cli, alice: str, password: str, sentence: str
):
    result = cli("user", "password", "alice", "--password-stdin", stdin=password)
    assert sentence in result.sentence


def test_a_locked_user_is_unlocked(cli: Cli, alice: str):
    cli.done("user", "password", "alice", "--password-stdin", stdin=PASSWORD)
    with cli.composition() as composition:
        for _ in range(10):
            composition.sign_in.guard.begin(alice, "alice", None)
    assert not signs_in(cli, PASSWORD)
    assert cli.json("user", "unlock", "Alice") == {"unlocked": alice}
    assert signs_in(cli, PASSWORD)


def test_without_a_terminal_a_password_is_not_waited_for(cli: Cli, alice: str):
    result = cli("user", "password", "alice")
    assert (result.status, result.out) == (2, "")


def test_a_password_is_never_an_argument(cli: Cli, alice: str):
    assert cli("user", "password", "alice", PASSWORD).status == 2


def test_roles_are_assigned_by_name(cli: Cli, alice: str):
    cli.done("role", "create", "runner")
    cli.done("user", "role", "assign", "alice", "runner", "--everywhere")
    assert cli.json("user", "role", "list", alice)["items"] == [
        {"role": "runner", "audience": None, "expires_at": None, "via": None}
    ]
    cli.done("user", "role", "unassign", "ALICE", "runner", "--everywhere", "--yes")
    assert cli.json("user", "role", "list", "alice")["items"] == []


def signs_in(cli: Cli, password: str) -> bool:
    with cli.composition() as composition:
        try:
            composition.sign_in.sign_in.authenticate("alice", password)
        except InvalidCredentials:
            return False
        return True


def test_the_list_says_on_80_columns_what_one_looks_for(cli: Cli, alice: str):
    cli.done("user", "create", "bob", "--disabled")
    cli.done("role", "create", "runner", "--scope", "agents:run")
    cli.done("role", "create", "reader", "--scope", "agents:read")
    cli.done("group", "create", "platform")
    cli.done("group", "role", "assign", "platform", "reader", "--everywhere")
    cli.done("group", "member", "add", "platform", "alice")
    cli.done("user", "role", "assign", "alice", "runner", "--everywhere")
    lines = [line.split() for line in cli.on_terminal(80, "user", "list")]
    assert ["username", "state", "last", "sign", "in", "roles"] in lines
    assert [*["alice", "cannot", "sign", "in", "-", "reader,", "runner"]] in lines
    assert ["bob", "disabled", "-", "-"] in lines
    first = cli.json("user", "list")["items"][0]
    assert first.keys() > {"id", "email", "claims", "last_sign_in_at"}
    assert (first["states"], first["roles"]) == (["cannot sign in"], ["reader", "runner"])
