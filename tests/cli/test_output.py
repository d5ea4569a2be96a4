"""What comes from files, the database or the network does nothing to the terminal."""

import json
from pathlib import Path

import pytest

from issuer.cli.output import escaped, say, show_all
from tests.cli.driver import Cli


@pytest.fixture
def database_kind() -> str:
    """The output is the same on both."""
    return "sqlite"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;title\x07", "\\u001b[2J\\u001b]0;title\\u0007"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b31m", "\\u009b31m"),
        ("user\u202eresu", "user\\u202eresu"),
        ("\u2066x\u2069\u200b\u2028", "\\u2066x\\u2069\\u200b\\u2028"),
        ("\udc9b", "\\udc9b"),
        ("\U000e0041", "\\udb40\\udc41"),
        ("Zoë 東京 🙂", "Zoë 東京 🙂"),
    ],
)
def test_what_a_terminal_would_obey_or_not_show_is_written_out(text: str, shown: str):
    assert escaped(text) == shown


def test_tables_and_sentences_are_escaped(capsys: pytest.CaptureFixture[str]):
    show_all([{"name": "a\x1b[8mb\nfake row"}], ["name"], as_json=False)
    say("Deleted \x1b[8m.", {}, as_json=False)
    printed = capsys.readouterr().out
    assert "\x1b[8m" not in printed
    assert "a\\u001b[8mb\\nfake row" in printed
    assert "Deleted \\u001b[8m." in printed


def test_a_name_of_the_database_is_escaped(cli: Cli):
    cli.done("audience", "create", "my-os", "--name", "so\u202eym")
    for command in (["list"], ["show", "my-os"]):
        printed = cli.done("audience", *command)
        assert "so\\u202eym" in printed
        assert "\u202e" not in printed
    events = cli.done("audit", "export").splitlines()
    assert "\u202e" not in "".join(events)
    assert any("so\u202eym" in json.dumps(json.loads(e), ensure_ascii=False) for e in events)


def test_the_name_of_a_file_is_escaped_in_an_error(cli: Cli, tmp_path: Path):
    sentence = cli("plan", "-f", str(tmp_path / "\x1b[2Jx")).sentence
    assert "\\u001b[2Jx" in sentence
