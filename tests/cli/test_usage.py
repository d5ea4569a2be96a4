"""Help is complete, wrong usage is status 2, and nothing is imported before it is needed."""

import io
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer

from issuer import __version__
from issuer.cli.program import app
from issuer.cli.remote.target import with_server_first
from tests.cli.driver import Cli
from tests.journeys.running_issuer import OURS, REPOSITORY, process_environment

ROOT = typer.main.get_command(app)


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that a command line names, and its arguments."""
    command, rest = ROOT, words
    while rest and hasattr(command, "commands"):
        context = command.make_context("issuer", list(rest))
        _, command, rest = command.resolve_command(context, list(rest))
    return command, rest


def commands(path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command and group of commands."""
    yield path
    for name in getattr(command_of(list(path))[0], "commands", ()):
        yield from commands((*path, name))


COMMANDS = list(commands())
LEAVES = [path for path in COMMANDS if not hasattr(command_of(list(path))[0], "commands")]


def test_every_command_has_help(new_cli: Cli):
    for path in COMMANDS:
        assert "Usage: issuer" in new_cli.done(*path, "--help"), path
        assert command_of(list(path))[0].help.partition("\n")[0].endswith((".", "….")), path


def test_help_is_whole_on_80_columns(monkeypatch: pytest.MonkeyPatch):
    """No example is wrapped, text goes on to the end of each line, and no word or name is cut."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")
    for path in COMMANDS:
        with redirect_stdout(io.StringIO()) as shown, suppress(SystemExit):
            ROOT([*path, "--help"], prog_name="issuer")
        lines = [line.rstrip() for line in shown.getvalue().splitlines()]
        assert max(map(len, lines)) <= 80, path
        require_whole(path, lines)
        command = command_of(list(path))[0]
        inner = getattr(command, "commands", {}).values()
        texts = [command.help, *(each.help.partition("\n\n")[0] for each in inner)]
        texts += [text for each in command.params for text in (each.help, each.metavar)]
        written = sum(str(text).count("…") for text in texts)
        assert shown.getvalue().count("…") == written, path
        names = [name for each in command.params for name in (*each.opts, *each.secondary_opts)]
        words = set(re.findall(r"--[\w-]+", shown.getvalue()))
        assert {name for name in names if name.startswith("--")} <= words, path


def require_whole(path: tuple[str, ...], lines: list[str]) -> None:
    text = lines[lines.index(next(line for line in lines if "Usage: " in line)) + 1 :]
    text = text[: next(number for number, line in enumerate(text) if line[:1] == "╭")]
    examples = [line for line in text if line.startswith(" $ ")]
    assert len(examples) == command_of(list(path))[0].help.count("\n$ "), path
    for line, following in pairwise(text):
        if line in examples:
            assert following in ("", *examples), f"{path}: {line} is wrapped"
        elif line and following:
            assert len(f"{line} {following.split()[0]}") > 79, (path, line)


def test_every_example_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for path in [(), *LEAVES]:
        _, _, examples = command_of(list(path))[0].help.partition("Examples:")
        for name in re.findall(r" @(\S+)", examples):
            Path(name).write_text("{}")
        lines = re.findall(r"(?<![\w/])issuer ([^)<>|\n]*)", examples)
        assert lines, path
        for line in lines:
            command, arguments = command_of(shlex.split(line))
            assert command is not ROOT, line
            command.make_context("issuer", arguments)


def test_every_command_has_the_json_option():
    lacking = [
        path
        for path in LEAVES
        if not any("--json" in each.opts for each in command_of(list(path))[0].params)
    ]
    assert lacking == []


WRONG = {
    "nonsense": "No such command 'nonsense'. See `issuer --help`.",
    "client show": "Missing argument 'CLIENT'. See `issuer client show --help`.",
    "client show a b": "Got unexpected extra argument(s) (b). See `issuer client show --help`.",
    "client create --colour red": "No such option: --colour. See `issuer client create --help`.",
    "client list --limit 0": "Invalid value for '--limit': ",
    "client list --limit x": "Invalid value for '--limit': ",
    "client update ci-bot": "Invalid value: name a member to change, see --help.",
    "serve --port 99999": "Invalid value for '--port': ",
    "serve --workers 0": "Invalid value for '--workers': ",
    "token --show": "Invalid value: sign in with `issuer login ",
    "token --cache": "Invalid value: name the client with --client-id. See `issuer token --help`.",
}


def test_wrong_usage_is_status_2_and_one_line_which_is_json_with_json(new_cli: Cli):
    for line, begins in WRONG.items():
        assert new_cli(*line.split()).wrong_usage.startswith(begins), line
        as_json = json.loads(new_cli(*line.split(), "--json").wrong_usage)
        assert as_json.keys() == {"error"}, line
        assert as_json["error"].startswith(begins), line


def test_a_group_without_a_command_prints_its_help_with_status_2(new_cli: Cli):
    for line in ("", "client", "key"):
        result = new_cli(*line.split())
        assert (result.status, result.err) == (2, "")
        assert f"Usage: issuer {line}".rstrip() in result.out


def test_the_version(new_cli: Cli):
    assert new_cli.done("--version") == f"{__version__}\n"


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_unexpected_error_is_one_sentence_that_names_the_debug_level(cli: Cli):
    cli.done("role", "create", "reader")
    with cli.composition() as composition, composition.database.transaction() as session:
        session.connection().exec_driver_sql("UPDATE roles SET scopes = '{'")
    assert cli("role", "list").sentence == (
        "Unexpected error (JSONDecodeError). Set ISSUER_LOG_LEVEL=debug for details."
    )
    more = cli.with_environment(ISSUER_LOG_LEVEL="debug")("role", "list")
    assert (more.status, more.out) == (1, "")
    assert more.err.startswith("Traceback")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_what_cannot_be_written_is_one_sentence():
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*OURS, "--version"],
            env={**process_environment(), "PYTHONPATH": str(REPOSITORY)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr == "Reading or writing failed: No space left on device.\n"


@pytest.mark.parametrize(
    ("closed", "answer"),
    [
        ("<&-", (0, f"{__version__}\n", "")),
        ("2>&-", (0, f"{__version__}\n", "")),
        (">&-", (1, "", "Standard output is closed: nothing was done.\n")),
        ("<&- >&- 2>&-", (1, "", "")),
    ],
)
def test_without_standard_output_nothing_is_done(closed: str, answer: tuple[int, str, str]):
    """A secret that is shown once would be lost."""
    ended = subprocess.run(
        f"{shlex.join(map(str, OURS))} --version {closed}",
        shell=True,
        env={**process_environment(), "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == answer


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("issuer cl", ["client"]),
        ("issuer client role ", ["list", "assign", "unassign"]),
        ("issuer audience create --include", ["--include-roles", "--include-profile"]),
    ],
)
def test_a_shell_completes(words: str, offered: list[str]):
    assert completed(words) == offered


@pytest.mark.slow
def test_a_shell_completes_names(cli: Cli):
    cli.done("audience", "create", "my-os")
    cli.done("role", "create", "web-runner")
    cli.done("role", "create", "runner")
    cli.done("client", "create", "ci-bot")
    cli.done("user", "create", "Alice")
    for words, offered in {
        "issuer role show ": ["runner", "web-runner"],
        "issuer role show web-runner": ["web-runner"],
        "issuer client role assign ci-bot r": ["runner"],
        "issuer client role assign ci-bot runner --audience my": ["my-os"],
        "issuer user show Al": ["Alice"],
        "issuer preview ci": ["ci-bot"],
        "issuer role show nothing": [],
    }.items():
        assert completed(words, **cli.environment) == offered, words


def test_a_shell_completes_no_names_without_a_database(tmp_path: Path):
    """Quietly, and without making one."""
    data_dir = tmp_path / "data"
    assert completed("issuer role show ", ISSUER_DATA_DIR=str(data_dir)) == []
    assert not data_dir.exists()
    assert completed("issuer role show ", ISSUER_DATABASE_URL="postgresql://h.invalid/x") == []


def completed(words: str, **environment: str) -> list[str]:
    asked = {
        "_ISSUER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    done = subprocess.run(
        OURS,
        env={**process_environment(), "PYTHONPATH": str(REPOSITORY), **asked, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


def output(*command: str, **environment: str) -> str:
    return subprocess.run(
        command,
        env={**process_environment(), "PYTHONPATH": str(REPOSITORY), **environment},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_server_is_read_wherever_it_stands():
    server = ["--server", "https://id.example"]
    assert with_server_first(["role", "list", *server]) == [*server, "role", "list"]
    assert with_server_first(["a", "--", "--server", "u"]) == ["a", "--", "--server", "u"]
