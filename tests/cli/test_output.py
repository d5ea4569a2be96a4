"""Text from files, the database or the network cannot control the terminal."""

import json
from pathlib import Path

import pytest

from issuer.cli.output import say, show_all
from issuer.fields.text import escape
from tests.cli.driver import Cli, running
from tests.rows import rows


@pytest.fixture
def database_kind() -> str:
    """The output is the same on both."""
    return "sqlite"


@rows(
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
def test_unprintable_characters_are_escaped(text: str, shown: str):
    assert escape(text) == shown


def test_an_object_is_shown_as_json_and_an_empty_one_as_nothing(
    capsys: pytest.CaptureFixture[str],
):
    show_all([{"claims": {"team": "a"}}, {"claims": {}}], ["claims"])
    shown = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert '{"team": "a"}' in shown
    assert "-" in shown


def test_tables_and_sentences_are_escaped(capsys: pytest.CaptureFixture[str]):
    show_all([{"name": "a\x1b[8mb\nfake row"}], ["name"])
    say("Deleted \x1b[8m.", {})
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


@pytest.mark.parametrize("folder", ["\x1b[2Jx", "so\u202eym"])
def test_the_name_of_the_data_directory_is_escaped(new_cli: Cli, tmp_path: Path, folder: str):
    cli = new_cli.with_environment(ISSUER_DATA_DIR=str(tmp_path / folder))
    printed = cli.done("init")
    assert escape(folder) in printed
    assert folder not in printed


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["\x1b[2Jx", "so\u202eym"])
def test_quickstart_escapes_the_name_of_the_data_directory(tmp_path: Path, folder: str):
    environment = {"ISSUER_DATA_DIR": str(tmp_path / folder)}
    with running(tmp_path / "home", environment, "quickstart", "--port", "0") as program:
        printed = program.output_with("uses the same data.")
    assert printed.count(escape(folder)) == 3
    assert folder not in printed


def test_a_plan_escapes_the_name_of_its_file(cli: Cli, tmp_path: Path):
    file = tmp_path / "\x1b[2J\u202ex.yaml"
    file.write_text("roles: [{name: reader}]\n")
    printed = cli.done("plan", "-f", str(file))
    assert "\\u001b[2J\\u202ex.yaml' --expect" in printed
    assert not {"\x1b", "\u202e"} & set(printed)


def test_the_name_of_a_secrets_file_is_escaped(cli: Cli, tmp_path: Path):
    manifest = "clients: [{client_id: ci-bot}]\n"
    file = tmp_path / "\x1b[2Jx.json"
    printed = cli.done("apply", "-f", "-", "--secrets-file", str(file), stdin=manifest)
    assert "\\u001b[2Jx.json" in printed
    assert "\x1b" not in printed


def test_the_name_of_a_file_is_escaped_in_an_error(cli: Cli, tmp_path: Path):
    sentence = cli("plan", "-f", str(tmp_path / "\x1b[2Jx")).sentence
    assert "\\u001b[2Jx" in sentence
