"""`issuer client rotate`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.driver import Cli, Terminal

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

Use = Callable[[str, timedelta], None]


@pytest.fixture
def old(cli: Cli) -> str:
    """The id of the only secret of ci-bot."""
    cli.done("client", "create", "ci-bot")
    return str(cli.json("client", "secret", "list", "ci-bot")["items"][0]["id"])


@pytest.fixture
def new(cli: Cli, old: str) -> str:
    """The id of the secret that a rotation has made."""
    return str(cli.json("client", "rotate", "start", "ci-bot")["id"])


@pytest.fixture
def use(cli: Cli) -> Use:
    """Store that a secret was used some time ago, as a server does."""

    def use(secret_id: str, ago: timedelta) -> None:
        with cli.composition() as composition:
            client = composition.tokens.directory.load_client("ci-bot")
            assert client is not None
            (secret,) = (each for each in client.secrets if each.id == secret_id)
            at = datetime.now(UTC) - ago
            composition.tokens.last_use.note(secret, at, "10.0.0.7")
            composition.tokens.last_use.write()

    return use


def ids(cli: Cli) -> list[str]:
    return [each["id"] for each in cli.json("client", "secret", "list", "ci-bot")["items"]]


def test_a_second_secret_is_shown_once(cli: Cli, old: str):
    shown = cli.done("client", "rotate", "start", "ci-bot")
    assert shown.count("ais_") == 1
    assert len(ids(cli)) == 2
    for form in ([], ["--json"]):
        assert "ais_" not in cli.done("client", "rotate", "status", "ci-bot", *form)
    assert "Finish or cancel it" in cli("client", "rotate", "start", "ci-bot").sentence


def test_the_status_shows_when_and_from_where_each_was_used(cli: Cli, old: str, new: str, use: Use):
    use(old, timedelta(hours=1))
    status = cli.json("client", "rotate", "status", "ci-bot")
    assert status["under_way"] is True
    assert [(each["id"], each["part"], each["last_used_address"]) for each in status["items"]] == [
        (old, "old", "10.0.0.7"),
        (new, "new", None),
    ]
    printed = cli.done("client", "rotate", "status", "ci-bot")
    assert "10.0.0.7" in printed
    assert printed.endswith("A rotation is under way.\n")


def test_the_status_shows_that_no_rotation_is_under_way(cli: Cli, old: str):
    assert cli.json("client", "rotate", "status", "ci-bot")["under_way"] is False
    assert cli.done("client", "rotate", "status", "ci-bot").endswith("No rotation is under way.\n")
    for end in ("finish", "cancel"):
        assert "No rotation" in cli("client", "rotate", end, "ci-bot").sentence
    sentence = cli("client", "rotate", "status", "unknown").sentence
    assert sentence == "There is no client 'unknown'. See `issuer client list`."


def test_finishing_shows_when_the_old_one_was_last_used(cli: Cli, old: str, new: str, use: Use):
    use(old, timedelta(days=2))
    use(new, timedelta(minutes=1))
    printed, done = cli.done("client", "rotate", "finish", "ci-bot").splitlines()
    assert printed.startswith(f"The old secret {old} was last used at ")
    assert printed.endswith(" UTC from 10.0.0.7.")
    assert new in done
    assert ids(cli) == [new]


def test_finishing_in_json(cli: Cli, old: str, new: str, use: Use):
    use(new, timedelta(minutes=1))
    finished = cli.json("client", "rotate", "finish", "ci-bot")
    assert [each["id"] for each in finished["deleted"]] == [old]
    assert finished["deleted"][0]["last_used_at"] is None
    assert finished["kept"] == new


def test_without_a_terminal_finishing_needs_yes(cli: Cli, old: str, new: str, use: Use):
    refused = cli("client", "rotate", "finish", "ci-bot").sentence
    assert f"The new secret {new} has never been used." in refused
    assert "--yes" in refused
    use(new, timedelta(0))
    use(old, timedelta(hours=23))
    refused = cli("client", "rotate", "finish", "ci-bot").sentence
    assert f"The old secret {old} was last used at" in refused
    assert ids(cli) == [old, new]
    cli.done("client", "rotate", "finish", "ci-bot", "--yes")
    assert ids(cli) == [new]


@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal_finishing_asks_first(cli: Cli, old: str, new: str, answer: str):
    result = cli("client", "rotate", "finish", "ci-bot", stdin=Terminal(f"{answer}\n"))
    assert "Finish the rotation of ci-bot? The new secret" in result.err
    assert "has never been used." in result.err
    if answer == "y":
        assert (result.status, ids(cli)) == (0, [new])
    else:
        assert (result.status, ids(cli)) == (1, [old, new])
        assert result.err.endswith("Nothing was changed.\n")


class SlowTerminal(Terminal):
    """Confirms after another operator has started a new rotation."""

    def __init__(self, cli: Cli) -> None:
        super().__init__("y\n")
        self._cli = cli

    def readline(self, size: int | None = -1, /) -> str:
        self._cli.done("client", "rotate", "cancel", "ci-bot")
        self._cli.done("client", "rotate", "start", "ci-bot")
        return super().readline(-1 if size is None else size)


def test_only_the_confirmed_secrets_are_deleted(cli: Cli, old: str, new: str):
    result = cli("client", "rotate", "finish", "ci-bot", stdin=SlowTerminal(cli))
    assert result.status == 1
    assert result.err.count("Continue?") == 2
    assert old in ids(cli)
    assert len(ids(cli)) == 2


def test_cancelling_leaves_the_old_one(cli: Cli, old: str, new: str):
    assert cli.done("client", "rotate", "cancel", "ci-bot") == f"Deleted the new secret {new}.\n"
    assert ids(cli) == [old]
