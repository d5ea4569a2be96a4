"""`issuer jwks pull`: a file holds the key set, and never a bad answer."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from itertools import count, islice
from pathlib import Path

import pytest

from issuer.cli import run
from issuer.cli.keys.hooks import pauses_between_tries
from tests.agentos.key_server import KEYS, METADATA, KeyServer, running_key_server
from tests.agentos.tokens import Tokens
from tests.cli.driver import Cli, Program, running
from tests.journeys.running_issuer import OURS, REPOSITORY, process_environment, wait_until
from tests.killing import killed
from tests.owners import give_to_another_user
from tests.rows import rows

pytestmark = pytest.mark.slow

SECONDS = 60
NEVER = -1
OLD = b'{"keys": "what was there"}'


@pytest.fixture(scope="module")
def first() -> Tokens:
    return Tokens("ES256")


@pytest.fixture(scope="module")
def second() -> Tokens:
    return Tokens("EdDSA")


@pytest.fixture
def server() -> Iterator[KeyServer]:
    with running_key_server() as server:
        yield server


@pytest.fixture
def cli() -> Cli:
    """The command line on a machine without settings of the issuer."""
    return Cli({})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "jwks.json"


def test_the_file_is_what_was_published_and_readable_by_all(
    cli: Cli, server: KeyServer, first: Tokens, file: Path
):
    published = server.put(KEYS, first.jwks)
    printed = cli.done("jwks", "pull", server.url + KEYS, "-o", str(file))
    assert printed == f"{file} now holds the key set of {server.url + KEYS}.\n"
    assert file.read_bytes() == published
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_an_issuer_is_named_by_itself(cli: Cli, server: KeyServer, first: Tokens, file: Path):
    server.put("/", b"<html>", content_type="text/html")
    server.put_metadata("/keys")
    published = server.put("/keys", first.jwks)
    cli.done("jwks", "pull", server.url, "-o", str(file))
    assert file.read_bytes() == published


def test_a_jwks_url_need_not_end_in_json(cli: Cli, server: KeyServer, first: Tokens, file: Path):
    published = server.put("/oauth2/v3/certs", first.jwks)
    cli.done("jwks", "pull", f"{server.url}/oauth2/v3/certs", "-o", str(file))
    assert file.read_bytes() == published
    assert set(server.asked) == {"/oauth2/v3/certs"}


def test_json_lists_the_keys(cli: Cli, server: KeyServer, first: Tokens, file: Path):
    server.put(KEYS, first.jwks)
    url = server.url + KEYS
    members = {"url": url, "file": str(file), "keys": [{"kid": first.kid, "alg": "ES256"}]}
    assert cli.json("jwks", "pull", url, "-o", str(file)) == {**members, "changed": True}
    assert cli.json("jwks", "pull", url, "-o", str(file)) == {**members, "changed": False}


def test_an_unchanged_key_set_is_not_written_again(
    cli: Cli, server: KeyServer, first: Tokens, file: Path
):
    server.put(KEYS, first.jwks)
    cli.done("jwks", "pull", server.url + KEYS, "-o", str(file))
    before = file.stat()
    printed = cli.done("jwks", "pull", server.url + KEYS, "-o", str(file))
    assert printed == f"{file} already holds the key set of {server.url + KEYS}.\n"
    assert (file.stat().st_ino, file.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_file_that_was_there_keeps_its_mode(
    cli: Cli, server: KeyServer, first: Tokens, file: Path
):
    file.write_bytes(OLD)
    file.chmod(0o640)
    published = server.put(KEYS, first.jwks)
    cli.done("jwks", "pull", server.url + KEYS, "-o", str(file))
    assert file.read_bytes() == published
    assert stat.S_IMODE(file.stat().st_mode) == 0o640


BAD = {
    "an error": ({"status": 500, "answer": {"keys": []}}, "answered 500"),
    "a page": ({"answer": b"<html>", "content_type": "text/html"}, "content type"),
    "half a document": ({"answer": b'{"keys": ['}, "is not JSON"),
    "another document": ({"answer": {"issuer": "x"}}, "is not a JWK Set"),
    "no key": ({"answer": {"keys": []}}, "holds no key that verifies"),
    "a symmetric key": (
        {"answer": {"keys": [{"kty": "oct", "kid": "a", "k": "c2VjcmV0"}]}},
        "holds no key that verifies",
    ),
    "too much": ({"answer": b" " * (1024 * 1024 + 1)}, "answered more than"),
}


@rows("bad", [*BAD])
def test_a_bad_answer_never_replaces_a_good_file(cli: Cli, server: KeyServer, file: Path, bad: str):
    answer, reason = BAD[bad]
    file.write_bytes(OLD)
    server.put(KEYS, **answer)
    result = cli("jwks", "pull", server.url + KEYS, "-o", str(file))
    assert (result.status, result.out) == (1, "")
    assert reason in result.err.splitlines()[-1]
    assert file.read_bytes() == OLD


def test_metadata_of_another_issuer_is_not_used(
    cli: Cli, server: KeyServer, first: Tokens, file: Path
):
    """RFC 8414 §3.3."""
    server.put(KEYS, first.jwks)
    server.put_metadata(issuer="https://evil.example")
    sentence = cli("jwks", "pull", server.url, "-o", str(file)).sentence
    assert "from another issuer, 'https://evil.example'" in sentence
    assert not file.exists()
    assert KEYS not in server.asked


@pytest.mark.parametrize("url", ["http://id.example/jwks.json", "file:///etc/passwd", "id.example"])
def test_a_url_without_tls_is_refused(cli: Cli, file: Path, url: str):
    assert "https://" in cli("jwks", "pull", url, "-o", str(file)).sentence


def test_a_missing_directory_is_an_error_before_anything_is_fetched(
    cli: Cli, server: KeyServer, tmp_path: Path
):
    file = tmp_path / "nowhere" / "jwks.json"
    sentence = cli("jwks", "pull", server.url, "--watch", "-o", str(file)).sentence
    assert sentence == f"There is no directory {file.parent}."
    assert not server.asked


@pytest.mark.parametrize("command", ["", "'"])
def test_an_invalid_command_is_wrong_usage(cli: Cli, file: Path, command: str):
    arguments = ["jwks", "pull", "https://id.example", "-o", str(file), "--exec", command]
    assert cli(*arguments).status == 2


def test_the_command_runs_after_a_change_and_only_then(
    server: KeyServer, first: Tokens, second: Tokens, tmp_path: Path, file: Path
):
    noted = tmp_path / "noted.jsonl"
    arguments = ["jwks", "pull", server.url + KEYS, "-o", str(file), "--exec", noting(noted)]
    for number, tokens in enumerate([first, first, second]):
        server.put(KEYS, tokens.jwks)
        with running(tmp_path / str(number), {}, *arguments) as program:
            assert program.ended().status == 0
    assert ran_for(noted) == [[first.kid], [second.kid]]


@pytest.mark.parametrize(
    ("command", "reason"),
    [("false", "the command false ended with status 1"), ("no-such-one", "cannot be run")],
)
def test_a_command_that_fails_is_an_error_and_the_file_is_new(
    server: KeyServer, first: Tokens, tmp_path: Path, file: Path, command: str, reason: str
):
    published = server.put(KEYS, first.jwks)
    arguments = ["jwks", "pull", server.url + KEYS, "-o", str(file), "--exec", command]
    with running(tmp_path / "pull", {}, *arguments) as program:
        result = program.ended()
    assert result.status == 1
    assert result.err.count("\n") == 1
    assert reason in result.err
    assert file.read_bytes() == published


def test_a_command_that_failed_runs_again_at_the_next_call(
    server: KeyServer, first: Tokens, tmp_path: Path, file: Path
):
    server.put(KEYS, first.jwks)
    noted = tmp_path / "noted.jsonl"
    arguments = ["jwks", "pull", server.url + KEYS, "-o", str(file), "--exec"]
    script = "import sys, pathlib; sys.exit(not pathlib.Path(sys.argv[1]).exists())"
    gate = shlex.join([sys.executable, "-c", script, str(tmp_path / "ready")])
    both = shlex.join(["sh", "-c", f"{gate} && {noting(noted)}"])
    assert [status_of(*arguments, both) for _ in range(2)] == [1, 1]
    (tmp_path / "ready").touch()
    assert [status_of(*arguments, both) for _ in range(2)] == [0, 0]
    assert ran_for(noted) == [[first.kid]]


def test_a_command_that_was_changed_runs_for_the_same_key_set(
    server: KeyServer, first: Tokens, tmp_path: Path, file: Path
):
    """Success of another command does not count for this one."""
    server.put(KEYS, first.jwks)
    for noted in (tmp_path / "a", tmp_path / "b"):
        pull = ["jwks", "pull", server.url + KEYS, "-o", str(file), "--exec", noting(noted)]
        assert [status_of(*pull) for _ in range(2)] == [0, 0]
        assert len(lines_of(noted)) == 1


def test_a_process_that_is_killed_leaves_the_command_to_the_next(
    server: KeyServer, first: Tokens, second: Tokens, tmp_path: Path
):
    """SIGKILL before each thing it does that lasts, among them between file and command."""
    steps = []
    for before in count():
        folder = tmp_path / str(before)
        folder.mkdir()
        file, noted = folder / "jwks.json", tmp_path / f"{before}.jsonl"
        pull = ["jwks", "pull", server.url + KEYS, "-o", str(file), "--exec", noting(noted)]
        server.put(KEYS, first.jwks)
        assert killed(partial(run, pull), NEVER) is None
        published = server.put(KEYS, second.jwks)
        steps.append(killed(partial(run, pull), before, folder))
        assert killed(partial(run, pull), NEVER) is None
        assert file.read_bytes() == published
        assert ran_for(noted)[0] == [first.kid]
        assert ran_for(noted)[-1] == [second.kid]
        assert len(lines_of(noted)) <= 3
        if steps[-1] is None:
            assert len(lines_of(noted)) == 2
            break
    assert steps.index("command") == steps.index("rename") + 1


def test_a_link_is_written_through(
    cli: Cli, server: KeyServer, first: Tokens, tmp_path: Path, file: Path
):
    target = tmp_path / "elsewhere" / "keys.json"
    target.parent.mkdir()
    target.write_bytes(OLD)
    target.chmod(0o640)
    file.symlink_to(target)
    before = target.stat().st_ino
    published = server.put(KEYS, first.jwks)
    cli.done("jwks", "pull", server.url + KEYS, "-o", str(file))
    assert file.readlink() == target
    assert target.read_bytes() == published
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert target.stat().st_ino != before, "a reader would see half of it"


def test_what_is_no_regular_file_is_not_replaced(
    cli: Cli, server: KeyServer, first: Tokens, tmp_path: Path, file: Path
):
    server.put(KEYS, first.jwks)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    file.symlink_to(fifo)
    for output in (fifo, file, tmp_path, Path("/dev/zero")):
        sentence = cli("jwks", "pull", server.url + KEYS, "-o", str(output)).sentence
        assert sentence == f"Cannot write {output}: it is not a regular file."
    assert stat.S_ISFIFO(fifo.stat().st_mode)


def test_a_link_of_another_user_is_not_followed(
    cli: Cli,
    server: KeyServer,
    first: Tokens,
    tmp_path: Path,
    file: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    """Where others can write, such as /tmp, it could lead to any file of ours."""
    server.put(KEYS, first.jwks)
    target = tmp_path / "target"
    target.write_bytes(OLD)
    file.symlink_to(target)
    give_to_another_user(file, monkeypatch)
    assert "another user" in cli("jwks", "pull", server.url + KEYS, "-o", str(file)).sentence
    assert target.read_bytes() == OLD


def test_watching_tries_a_failing_command_again_until_it_succeeds(
    server: KeyServer, first: Tokens, tmp_path: Path, file: Path
):
    server.put(KEYS, first.jwks)
    noted = tmp_path / "noted.jsonl"
    script = (
        f"import pathlib, sys; noted = pathlib.Path({str(noted)!r});"
        "tries = noted.read_text() if noted.exists() else '';"
        "noted.write_text(tries + 'x'); sys.exit(len(tries) < 2)"
    )
    command = shlex.join([sys.executable, "-c", script])
    arguments = ["jwks", "pull", server.url + KEYS, "-o", str(file), "--watch", "--exec", command]
    with running(tmp_path / "watch", {}, *arguments) as program:
        wait_until(
            lambda: noted.exists() and noted.read_text() == "xxx", SECONDS, "the third try came"
        )
        wait_until(state_of(file).exists, SECONDS, "its success is stored")
        asked = server.asked[KEYS]
        wait_until(lambda: server.asked[KEYS] > asked + 2, SECONDS, "it looked again")
        program.stopped(signal.SIGTERM)
    assert noted.read_text() == "xxx"
    assert events(program) == ["error", "error"]


def test_the_pauses_between_tries_grow_and_have_an_end():
    pauses = list(islice(pauses_between_tries(), 12))
    assert pauses[:4] == [1, 2, 4, 8]
    assert pauses[-2:] == [300, 300]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_watching_survives_failures_and_ends_quietly(
    server: KeyServer,
    first: Tokens,
    second: Tokens,
    tmp_path: Path,
    file: Path,
    ending: signal.Signals,
):
    """It starts while the issuer is unreachable, and survives bad answers and failing commands."""
    noted = tmp_path / "noted.jsonl"
    command = f"{noting(noted)} fail"
    arguments = ["jwks", "pull", server.url, "-o", str(file), "--watch", "--exec", command]
    with running(tmp_path / "watch", {}, *arguments) as program:
        wait_until(lambda: server.asked[METADATA] > 0, SECONDS, "it asked while nothing was there")
        server.put_metadata()
        published = server.put(KEYS, first.jwks)
        wait_for(file, published)
        server.put(KEYS, {"keys": []})
        wait_until(lambda: "holds no key" in program.err, SECONDS, "the bad answer was logged")
        assert file.read_bytes() == published
        published = server.put(KEYS, second.jwks)
        wait_for(file, published)
        wait_until(lambda: [second.kid] in ran_for(noted), SECONDS, "the command ran for it")
        file.unlink()
        wait_for(file, published)
        ran = len(lines_of(noted))
        wait_until(lambda: len(lines_of(noted)) > ran, SECONDS, "the command ran again")
        assert program.err.count("status 1") >= ran
        result = program.stopped(ending)
    assert result.status == 0
    assert result.out.splitlines() == [f"{file} now holds the key set of {server.url}."] * 3
    assert ran_for(noted)[0] == [first.kid]
    assert ran_for(noted)[-1] == [second.kid]


def noting(noted: Path) -> str:
    """A command that notes what the file held when it ran; with an argument, it fails then."""
    script = (
        "import os, sys, pathlib;"
        "held = pathlib.Path(os.environ['JWKS_FILE']).read_text().replace('\\n', '');"
        f"open({str(noted)!r}, 'a').write(held + '\\n');"
        "print('for the log');"
        "sys.exit(len(sys.argv) - 1)"
    )
    return shlex.join([sys.executable, "-c", script])


def lines_of(noted: Path) -> list[str]:
    return noted.read_text().splitlines() if noted.exists() else []


def ran_for(noted: Path) -> list[list[str]]:
    return [kids(line) for line in lines_of(noted)]


def status_of(*arguments: str) -> int:
    """That of a command line in a process of its own, which has a standard error."""
    environment = {**process_environment(), "PYTHONPATH": str(REPOSITORY)}
    command = [*OURS, *arguments]
    return subprocess.run(command, check=False, capture_output=True, env=environment).returncode


def state_of(file: Path) -> Path:
    """The file with the digest of the last success."""
    return file.with_name(f".{file.name}.exec")


def kids(line: str) -> list[str]:
    return [key["kid"] for key in json.loads(line)["keys"]]


def wait_for(file: Path, content: bytes) -> None:
    wait_until(lambda: file.exists() and file.read_bytes() == content, SECONDS, "the file changed")


def events(program: Program) -> list[str]:
    """The levels of its log lines, without the output of the command."""
    return [json.loads(line)["level"] for line in program.err.splitlines() if line != "for the log"]
