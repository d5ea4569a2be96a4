"""`issuer backup` and `issuer restore`."""

import os
import signal
import stat
import subprocess
from pathlib import Path

import pyrage
import pytest

from issuer.database import Database
from issuer.database.deployment import current_revision
from issuer.database.only_one import without_servers
from tests.backup.driver import write_events
from tests.cli.driver import Cli, running
from tests.journeys.running_issuer import OURS, REPOSITORY, process_environment, wait_until

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
SECONDS = 60
EVENTS = 6_000  # their archive is larger than what a pipe holds


@pytest.fixture
def empty(cli: Cli, database_url: str) -> Cli:
    """The command line with the same master key and an empty database."""
    return cli.with_environment(ISSUER_DATABASE_URL=database_url)


def test_a_backup_is_restored_with_its_reminders(cli: Cli, empty: Cli, tmp_path: Path):
    cli.done("role", "create", "runner", "--scope", "agents:run")
    file = str(tmp_path / "issuer.backup")
    said = cli.done("backup", file)
    assert "rows" in said
    assert "not encrypted. It was read again and is complete." in said
    assert "The master key is not in it" in said
    said = empty.done("restore", file)
    assert "Restored https://id.example as of " in said
    assert "Users" not in said
    assert (
        "- Clients: 1. Those that were deleted, disabled, unassigned or removed since are back"
        in said
    )
    assert empty.json("role", "show", "runner")["scopes"] == ["agents:run"]
    assert empty.json("audit", "verify")["ok"]
    (last,) = empty.json("audit", "list", "--action", "database.restored")["items"]
    assert last["details"]["rows"] > 10
    assert empty("doctor").status == 0


@on_sqlite
def test_json_says_the_same(cli: Cli, empty: Cli, tmp_path: Path):
    file = str(tmp_path / "issuer.backup")
    written = cli.json("backup", file)
    found = empty.json("restore", file)
    assert (found["rows"], written["is_encrypted"]) == (written["rows"], False)
    assert {each["what"] for each in found["look_at"]} >= {"signing_keys", "access_tokens"}


@on_sqlite
def test_an_encrypted_backup_is_restored_by_its_key_alone(cli: Cli, empty: Cli, tmp_path: Path):
    identity = pyrage.x25519.Identity.generate()
    key = tmp_path / "key.txt"
    key.touch(mode=0o600)
    key.write_text(f"{identity}\n")
    file = str(tmp_path / "issuer.backup.age")
    assert " encrypted" in cli.done("backup", file, "--recipient", str(identity.to_public()))
    assert "is encrypted: use --identity" in empty("restore", file).sentence
    empty.done("restore", file, "--identity", str(key))


@on_sqlite
def test_a_file_is_private_whatever_the_umask(cli: Cli, tmp_path: Path):
    before = os.umask(0)
    try:
        cli.done("backup", str(tmp_path / "issuer.backup"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "issuer.backup").stat().st_mode) == 0o600


@on_sqlite
def test_a_file_is_replaced_only_by_force(cli: Cli, tmp_path: Path):
    file = tmp_path / "issuer.backup"
    file.write_text("precious")
    assert "exists: name another file, or use --force." in cli("backup", str(file)).sentence
    assert file.read_text() == "precious"
    cli.done("backup", str(file), "--force")
    assert file.read_bytes().startswith(b"\x1f\x8b")
    assert [*tmp_path.glob(".*")] == []


@on_sqlite
def test_nothing_is_written_without_usable_encryption(cli: Cli, tmp_path: Path):
    assert cli("backup", str(tmp_path / "issuer.backup"), "--recipient", "x").sentence
    assert not (tmp_path / "issuer.backup").exists()


@on_sqlite
def test_force_replaces_regular_files_and_links_only(cli: Cli, tmp_path: Path):
    target = tmp_path / "target"
    target.write_text("precious")
    (tmp_path / "link").symlink_to(target)
    cli.done("backup", str(tmp_path / "link"), "--force")
    assert target.read_text() == "precious"
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for each in ("pipe", "folder"):
        refused = cli("backup", str(tmp_path / each), "--force")
        assert "exists and is not a regular file: name another file." in refused.sentence
    assert (tmp_path / "pipe").is_fifo()


@on_sqlite
def test_force_replaces_no_file_that_the_issuer_needs(cli: Cli):
    database = Path(cli.environment["ISSUER_DATABASE_URL"].removeprefix("sqlite:///"))
    key = Path(cli.environment["ISSUER_DATA_DIR"]) / "master.key"
    before = key.read_text()
    for each in (key, database, Path(f"{database}-wal")):
        assert "may be a file that the issuer needs" in cli("backup", str(each), "--force").sentence
    assert key.read_text() == before


@on_sqlite
def test_a_backup_deletes_what_a_killed_one_has_left(cli: Cli, tmp_path: Path):
    with cli.composition() as parts:
        write_events(parts, EVENTS)
    file = tmp_path / "folder" / "[issuer].backup"
    file.parent.mkdir()
    with running(tmp_path / "killed", cli.environment, "backup", str(file)) as program:
        wait_until(lambda: any(file.parent.iterdir()), SECONDS, "it writes")
        program.kill()
    of_others = file.parent / ".other.backup.0123.partial"
    of_others.touch()
    assert len([*file.parent.iterdir()]) == 2
    cli.done("backup", str(file))
    assert {*file.parent.iterdir()} == {file, of_others}


@on_sqlite
def test_a_full_disk_leaves_no_file(cli: Cli, tmp_path: Path):
    from tests.journeys.test_database_refuses_to_write import tmpfs  # noqa: PLC0415

    with cli.composition() as parts:
        write_events(parts, 500)
    with tmpfs(tmp_path / "disk", "size=16k") as disk:
        assert "No space left on device" in cli("backup", str(disk / "issuer.backup")).sentence
        assert [*disk.iterdir()] == []


@on_sqlite
def test_a_named_pipe_is_refused_at_once(empty: Cli, tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    assert "is not a regular file" in empty("restore", str(tmp_path / "pipe")).sentence


@on_sqlite
def test_a_file_is_verified_before_anything_is_written(cli: Cli, empty: Cli, tmp_path: Path):
    file, data = tmp_path / "issuer.backup", tmp_path / "other"
    data.mkdir(mode=0o700)
    cli.done("backup", str(file))
    file.write_bytes(file.read_bytes()[:-1])
    unused = f"sqlite:///{data}/issuer.db"
    refused = empty.with_environment(ISSUER_DATABASE_URL=unused)("restore", str(file))
    assert "is damaged" in refused.sentence
    assert [*data.iterdir()] == []


@on_sqlite
def test_a_backup_goes_through_a_pipe(cli: Cli, empty: Cli, tmp_path: Path):
    environment = {**process_environment(), "PYTHONPATH": str(REPOSITORY)}
    made = subprocess.run(
        [*OURS, "backup", "-"],
        env={**environment, **cli.environment},
        capture_output=True,
        check=True,
    )
    assert made.stderr == b""
    subprocess.run(
        [*OURS, "restore", "-"],
        env={**environment, **empty.environment},
        input=made.stdout,
        check=True,
    )
    assert empty.json("audit", "verify")["ok"]


@on_sqlite
def test_a_restore_is_refused_while_a_server_runs_until_it_is_killed(cli: Cli, tmp_path: Path):
    """Also when its database was deleted before: the server goes on with the old file."""
    file = str(tmp_path / "issuer.backup")
    cli.done("backup", file)
    database = Path(cli.environment["ISSUER_DATABASE_URL"].removeprefix("sqlite:///"))
    serve = ("serve", "--port", "0", "--workers", "2", "--json")
    with running(tmp_path / "server", cli.environment, *serve) as server:
        server.listening()
        for each in database.parent.glob(f"{database.name}*"):
            each.unlink()
        assert "A server is running on this database" in cli("restore", file).sentence
        server.kill()
        wait_until(lambda: cli("restore", file).status == 0, SECONDS, "its workers have ended")
    assert cli.json("audit", "verify")["ok"]


@on_sqlite
def test_a_server_does_not_start_while_a_restore_runs(cli: Cli, tmp_path: Path):
    with (
        cli.composition() as parts,
        without_servers(parts.database, "restore"),
        running(tmp_path / "server", cli.environment, "serve", "--port", "0") as server,
    ):
        assert "`issuer restore` is running on this database" in server.ended().sentence


def test_a_restore_that_is_killed_leaves_an_empty_database(cli: Cli, empty: Cli, tmp_path: Path):
    with cli.composition() as parts:
        write_events(parts, EVENTS)
    cli.done("backup", str(tmp_path / "issuer.backup"))
    archive = (tmp_path / "issuer.backup").read_bytes()
    assert len(archive) > 4 * 64 * 1024
    environment = {**process_environment(), "PYTHONPATH": str(REPOSITORY), **empty.environment}
    with subprocess.Popen(
        [*OURS, "restore", "-"], env=environment, stdin=subprocess.PIPE, bufsize=0
    ) as program:
        assert program.stdin is not None
        # Returns only when the program has read all but what fits into the pipe.
        program.stdin.write(archive[:-1_000])
        program.kill()
    database = Database(empty.environment["ISSUER_DATABASE_URL"])
    gone = "PostgreSQL noticed that its client is gone"
    wait_until(lambda: current_revision(database) is None, SECONDS, gone)
    database.dispose()
    empty.done("restore", str(tmp_path / "issuer.backup"))
    assert empty.json("audit", "verify")["rows"] > EVENTS


@on_sqlite
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_backup_leaves_no_file(cli: Cli, by: signal.Signals, tmp_path: Path):
    with cli.composition() as parts:
        write_events(parts, EVENTS)
    file = tmp_path / "folder" / "issuer.backup"
    file.parent.mkdir()
    with running(tmp_path / "stopped", cli.environment, "backup", str(file)) as program:
        wait_until(lambda: any(file.parent.iterdir()), SECONDS, "it writes")
        assert program.stopped(by).status
    assert [*file.parent.iterdir()] == []
