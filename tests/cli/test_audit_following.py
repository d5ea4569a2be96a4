"""`issuer audit follow`, in a process of its own as it never ends by itself."""

import json
import re
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.driver import Cli, Program, running
from tests.journeys.running_issuer import OURS, wait_until
from tests.private_postgresql import PostgresqlServer

# The packages behind it are tested on both databases.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


def lines(program: Program, number: int) -> list[dict[str, Any]]:
    wait_until(lambda: program.out.count("\n") >= number, 60, f"{number} lines: {program.err}")
    return [json.loads(line) for line in program.out.splitlines()]


def following(cli: Cli, folder: Path, *options: str) -> AbstractContextManager[Program]:
    return running(folder, cli.environment, "audit", "follow", *options)


@on_sqlite
def test_events_are_printed_as_they_come_and_continue_after_a_cursor(cli: Cli, tmp_path: Path):
    with following(cli, tmp_path / "1", "--since", "1h", "--action", "role.created") as program:
        for name in ("one", "two", "three"):
            cli.done("role", "create", name)
        found = lines(program, 3)
        assert program.stopped(signal.SIGTERM).status == 0
    assert [each["target"] for each in found] == ["one", "two", "three"]
    assert program.err == ""
    options = ("--after", found[0]["cursor"], "--action", "role.created")
    with following(cli, tmp_path / "2", *options) as program:
        again = lines(program, 2)
    assert [each["target"] for each in again] == ["two", "three"]


@on_sqlite
def test_a_state_file_keeps_the_place(cli: Cli, tmp_path: Path):
    state = tmp_path / "bookmark"
    options = ("--state", str(state), "--target", "wanted")
    with following(cli, tmp_path / "1", *options) as program:
        wait_until(state.exists, 60, "the bookmark was written at the start")
        cli.done("role", "create", "wanted")
        (first,) = lines(program, 1)
        wait_until(lambda: state.read_text().strip() >= first["cursor"], 60, "it is kept")
        program.kill()
    assert state.stat().st_mode & 0o777 == 0o600
    cli.done("role", "create", "other")
    cli.done("role", "delete", "wanted")
    with following(cli, tmp_path / "2", *options) as program:
        (second,) = lines(program, 1)
    assert (first["action"], second["action"]) == ("role.created", "role.deleted")


@on_sqlite
def test_without_since_it_begins_with_events_from_now_on(cli: Cli, tmp_path: Path):
    cli.done("role", "create", "before")
    state = tmp_path / "bookmark"
    with following(cli, tmp_path, "--state", str(state), "--format", "ocsf") as program:
        wait_until(state.exists, 60, "it has started")
        cli.done("role", "create", "after")
        (found,) = lines(program, 1)
    assert found["entity"] == {"uid": "after", "type": "role", "type_id": 99}
    assert found["unmapped"]["cursor"].isdigit()


@on_sqlite
def test_a_reader_that_closes_the_pipe_ends_it(cli: Cli, tmp_path: Path):
    command = [*OURS, "audit", "follow", "--since", "1h"]
    environment = {**cli.environment, "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert json.loads(process.stdout.readline())["chain"] == "changes"
        process.stdout.close()
        cli.done("role", "create", "unread")
        assert process.wait(60) == 1
        assert process.stderr.read() == b""


@on_sqlite
def test_a_wrong_cursor_is_refused(cli: Cli, tmp_path: Path):
    assert "not a cursor" in cli("audit", "follow", "--after", "yesterday").sentence
    assert "after the newest event" in cli("audit", "follow", "--after", "4711000").sentence
    state = tmp_path / "bookmark"
    state.write_text("{}")
    assert re.search(
        "bookmark: .*Delete the file", cli("audit", "follow", "--state", str(state)).err
    )
    both = cli("audit", "follow", "--after", "1", "--state", str(state))
    assert both.status == 2


@pytest.mark.slow
def test_an_outage_of_the_database_is_said_once_and_waited_for(
    new_cli: Cli, empty_postgresql: PostgresqlServer, tmp_path: Path
):
    cli = new_cli.with_environment(ISSUER_DATABASE_URL=empty_postgresql.url)
    cli.done("init")
    with following(cli, tmp_path, "--since", "1h") as program:
        before = len(lines(program, 5))
        empty_postgresql.execute_elsewhere(
            "ALTER DATABASE issuer ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'issuer'",
        )
        wait_until(lambda: "Waiting for it." in program.err, 60, "it waits")
        empty_postgresql.execute_elsewhere("ALTER DATABASE issuer ALLOW_CONNECTIONS true")
        wait_until(lambda: "is available again." in program.err, 60, "it goes on")
        cli.done("role", "create", "after")
        wait_until(lambda: '"after"' in program.out, 60, program.err)
    assert before >= 5
    assert program.err.count("\n") == 2
    assert "password" not in program.err
