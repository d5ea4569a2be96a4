"""What a command would take away is confirmed first, or needs `--yes`."""

from collections.abc import Callable

import pytest

from tests.cli.arranged import ArrangeCli
from tests.cli.driver import Cli, Result, Terminal

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

MANIFEST = """\
roles: [{name: runner, scopes: [agents:run]}]
clients: [{client_id: ci-bot, name: Pipeline, audiences: [my-os], roles: [{role: runner}]}]
"""
LESS = """\
roles: [{name: runner}]
clients: [{client_id: ci-bot, audiences: [my-os]}]
"""


def arrange(cli: Cli) -> None:
    cli.done("audience", "create", "my-os")
    cli.json("apply", "-f", "-", stdin=MANIFEST)
    cli.done("user", "create", "alice", "--email", "alice@example.com")


def arrange_more(cli: Cli) -> None:
    arrange(cli)
    cli.done("group", "create", "Platform")
    cli.done("group", "member", "add", "Platform", "alice")
    for kind, name in (("group", "Platform"), ("user", "alice")):
        cli.done(kind, "role", "assign", name, "runner", "--everywhere")
    cli.done("role", "create", "idle", "--scope", "agents:run", "--scope", "agents:read")
    cli.done("audience", "create", "idle-os")
    cli.done("trusted-issuer", "create", "cluster", "--issuer", "https://k8s.example")


@pytest.fixture
def arrange_cli(request: pytest.FixtureRequest) -> ArrangeCli:
    return arrange_more if "with_more" in request.fixturenames else arrange


@pytest.fixture
def configured(cli: Cli) -> Cli:
    return cli


# Each command, and what it would do.
ASKING = [
    (
        "role update runner --remove-scope agents:run",
        "This would empty scopes of the role runner (now agents",
    ),
    ("client update ci-bot --name=", "This would empty name of the client ci-bot (now Pipeline)"),
    (
        "client update ci-bot --audience=",
        "This would empty audiences of the client ci-bot (now my-os)",
    ),
    ("user update alice --email=", "This would empty email of the user usr_"),
    (
        "client role unassign ci-bot runner --everywhere",
        "Unassign runner from ci-bot, everywhere? ci-bot loses agents:run.",
    ),
    ("role delete runner --cascade", "This would delete the role runner, in use by ci-bot."),
    ("user revoke-tokens alice", "Sign alice out everywhere? Every session ends"),
    ("client revoke-tokens ci-bot", "Revoke all tokens of ci-bot? Every token"),
    ("user factor reset alice", "Remove all second factors of alice?"),
    ("key rewrap", "This would replace the master key"),
]


@pytest.mark.parametrize(("command", "loss"), ASKING)
def test_without_a_terminal_it_says_what_would_go_and_does_nothing(
    configured: Cli, command: str, loss: str
):
    before = configured.done("export"), events(configured)
    sentence = configured(*command.split()).sentence
    assert sentence.startswith(loss)
    assert sentence.endswith(" Add --yes to do it.")
    assert (configured.done("export"), events(configured)) == before
    configured.done(*command.split(), "--yes")
    assert events(configured) > before[1]


def test_a_manifest_that_takes_something_away_is_confirmed(configured: Cli):
    losses = (
        "empty scopes of role runner (now agents:run); empty name of client ci-bot (now"
        " Pipeline); unassign role runner everywhere from client ci-bot."
    )
    before = configured.done("export")
    refused = configured("apply", "-f", "-", stdin=LESS).sentence
    assert refused == f"This would {losses} Add --yes to do it."
    assert configured.done("export") == before
    assert " --yes\n" in configured.done("plan", "-f", "-", stdin=LESS)
    configured.done("apply", "-f", "-", "--yes", stdin=LESS)
    assert "Pipeline" not in configured.done("export")
    pruned = configured("apply", "-f", "-", "--prune", stdin="roles: []\n").sentence
    assert pruned.startswith("This would delete role runner.")
    added = "clients: [{client_id: ci-bot, name: Other, audiences: [my-os]}]"
    assert " --yes" not in configured.done("plan", "-f", "-", stdin=added)
    configured.done("apply", "-f", "-", stdin=added)


def test_on_a_terminal_it_asks_once(configured: Cli):
    command = ("role", "update", "runner", "--scope=")
    declined = typed(configured, "n", *command)
    assert (declined.status, declined.out.strip()) == (1, "")
    assert "This would empty scopes of the role runner (now agents:run). Continue? [y/N]" in (
        declined.err
    )
    assert "Nothing was changed." in declined.err
    assert configured.json("role", "show", "runner")["scopes"] == ["agents:run"]
    assert typed(configured, "y", *command).status == 0
    assert configured.json("role", "show", "runner")["scopes"] == []


# Each command, what is asked on a terminal, and a command that shows whether it is there.
DELETING = [
    ("user delete alice", "the user alice with 1 assigned role, 1 membership.", "user list"),
    ("client delete ci-bot", "the client ci-bot with 1 secret, 1 assigned role.", "client list"),
    ("group delete Platform", "the group Platform with 1 member, 1 assigned role.", "group list"),
    ("role delete idle", "the role idle with 2 scopes.", "role list"),
    ("audience delete idle-os", "the audience idle-os and revoke every token", "audience list"),
    ("trusted-issuer delete cluster", "the trusted issuer cluster.", "trusted-issuer list"),
]


@pytest.fixture
def with_more(cli: Cli) -> Cli:
    return cli


@pytest.mark.parametrize(("command", "loss", "shows"), DELETING)
def test_a_deletion_is_confirmed_on_a_terminal_and_says_what_goes(
    with_more: Cli, command: str, loss: str, shows: str
):
    before, words = with_more.json(*shows.split()), command.split()
    declined = typed(with_more, "n", *words)
    assert (declined.status, declined.out.strip()) == (1, "")
    assert f"This would delete {loss}" in declined.err
    assert with_more.json(*shows.split()) == before
    confirmed = typed(with_more, "y", *words)
    assert (confirmed.status, confirmed.err.count("Continue?")) == (0, 1)
    assert len(with_more.json(*shows.split())["items"]) == len(before["items"]) - 1


def test_who_has_a_role_is_named(with_more: Cli):
    """Ids of users are random."""
    holders = "in use by ci-bot, group Platform, user alice."
    refused = with_more("role", "delete", "runner").sentence
    assert refused.startswith(f"The role 'runner' is {holders} With --cascade")
    asked = with_more("role", "delete", "runner", "--cascade").sentence
    assert asked == f"This would delete the role runner, {holders} Add --yes to do it."


@pytest.mark.parametrize("yes", [[], ["--yes"]])
def test_a_deletion_needs_no_answer_from_scripts(with_more: Cli, yes: list[str]):
    for command, *_ in DELETING:
        with_more.done(*command.split(), *yes)


def test_on_a_terminal_it_says_which_secret_and_which_key_are_deleted(with_more: Cli):
    made = with_more.json("client", "secret", "create", "ci-bot", "--label", "github")
    secret = ("client", "secret", "delete", "ci-bot", made["id"])
    declined = typed(with_more, "n", *secret, "--and-its-tokens").err
    assert f"Delete the secret {made['id']} (github) of ci-bot? It has never been used" in declined
    assert "every token of ci-bot is revoked" in declined
    assert typed(with_more, "y", *secret).status == 0
    kid = with_more.json("client", "key", "create", "ci-bot")["kid"]
    key = ("client", "key", "delete", "ci-bot", kid)
    assert f"Delete the key {kid} of ci-bot?" in typed(with_more, "n", *key).err
    assert typed(with_more, "", *key, "--yes").status == 0


# Each command, and whose name `alice` or `Platform` is when it asks.
NAMED = [
    ("user delete alice", "alice"),
    ("user update alice --name New --email=", "alice"),
    ("user revoke-tokens alice", "alice"),
    ("user role unassign alice runner --everywhere", "alice"),
    ("user factor reset alice", "alice"),
    ("group member remove Platform alice", "Platform"),
]


@pytest.mark.parametrize(("command", "name"), NAMED)
def test_a_name_that_another_gets_before_the_answer_does_not_change_that_one(
    with_more: Cli, command: str, name: str
):
    cli = with_more
    cli.done("user", "create", "bob", "--id", "bob")
    cli.done("group", "create", "Other", "--id", "other")
    cli.done("group", "member", "add", "other", "bob")
    for noun, other in (("user", "bob"), ("group", "other")):
        cli.done(noun, "role", "assign", other, "runner", "--everywhere")
    asked_about = cli.json(command.partition(" ")[0], "show", name)["id"]
    last = 0

    def rename() -> None:
        nonlocal last
        for noun, option, one, other in (
            ("user", "--username", "alice", "bob"),
            ("group", "--name", "Platform", "other"),
        ):
            cli.done(noun, "update", one, option, f"former-{one}")
            cli.done(noun, "update", other, option, one)
        last = events(cli)

    cli(*command.split(), stdin=Meanwhile(rename))
    assert last
    made = cli.json("audit", "list")["items"][: events(cli) - last]
    assert {each["target"] for each in made} <= {asked_about}
    members = cli.json("group", "show", "other")["members"]
    assert [each["user_id"] for each in members] == ["bob"]


@pytest.mark.parametrize(("second", "status"), [("n", 1), ("y", 0)])
def test_it_asks_again_where_what_would_end_has_changed_since_the_question(
    configured: Cli, second: str, status: int
):
    """Also where the first sentence of the question is as before."""
    before = events(configured)

    def set_password() -> None:
        configured.done("user", "password", "alice", "--generate")

    answers = Meanwhile(set_password, f"y\n{second}\n")
    reset = configured("user", "factor", "reset", "alice", stdin=answers)
    first, again = reset.err.split("Continue?")[:2]
    assert "alice can only sign in after another invitation." in first
    assert "alice signs in with the password alone." in again
    assert (reset.status, reset.err.count("Continue?")) == (status, 2)
    assert events(configured) - before == (1 if status else 2)


class Meanwhile(Terminal):
    """A terminal where something happens before the first answer, which is yes."""

    def __init__(self, happens: Callable[[], None], answers: str = "y\n") -> None:
        super().__init__(answers)
        self._happens = happens

    def readline(self, size: int | None = -1) -> str:
        if self.tell() == 0:
            self._happens()
        return super().readline(size)


def typed(cli: Cli, answer: str, *command: str) -> Result:
    return cli(*command, stdin=Terminal(f"{answer}\n"))


def events(cli: Cli) -> int:
    return len(cli.json("audit", "list")["items"])
