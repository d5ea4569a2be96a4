"""`issuer quickstart`: the commands that it prints work."""

import json
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest

from issuer.cli.running.demo import Demo, ensure_demo
from issuer.cli.running.quickstart import program_name
from issuer.cli.running.setup import ConsoleAdministrator, ensure_administrator
from issuer.composition import Composition
from tests.agentos.releases import SERVER_RELEASES, AgnoRelease
from tests.builders import OPERATOR, PASSWORD, URL
from tests.cli.driver import Cli, Program, running
from tests.journeys.running_issuer import REPOSITORY, process_environment, reserved_port
from tests.web.browsing import Browser, path_of

LAST_LINE = "the next quickstart uses the same data."
AGENT_OS = Path(__file__).parents[1] / "agentos"


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working directory, in which it creates its data without any settings."""
    return tmp_path / "home"


def test_a_first_run_and_a_second(folder: Path, port: int):
    with quickstart(folder, port) as program:
        first = program.output_with(LAST_LINE)
        answers = [paste(curl) for curl in curls(first)[:2]]
        result = program.stopped(signal.SIGINT)
    assert [answer["scope"] for answer in answers] == ["agents:read agents:web:run"] * 2
    assert (result.status, result.err) == (0, "")
    assert first.count("issuer-admin with the secret ais_") == 1
    modes = {stat.S_IMODE(path.stat().st_mode) for path in (folder / "issuer-data").iterdir()}
    assert modes == {0o600}
    with quickstart(folder, port) as program:
        second = program.output_with(LAST_LINE)
        assert paste(curls(second)[0])["token_type"] == "Bearer"
        result = program.stopped(signal.SIGTERM)
    assert (result.status, result.err) == (0, "")
    assert "issuer-admin" not in second
    assert curls(second) == curls(first)


@pytest.mark.slow
def test_the_demo_user_signs_in_on_the_page_that_it_names(folder: Path, port: int):
    with quickstart(folder, port) as program:
        text = program.output_with(LAST_LINE)
        found = re.search(r"Sign in as (\S+) .* password (\S+):\n  (\S+)/\n", text)
        assert found
        username, password, url = found.groups()
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            browser = Browser(http, url)
            assert "Sign in" in browser.get("/").text
            assert browser.sign_in(username, password).location == "/account"
        program.stopped(signal.SIGINT)


@pytest.mark.slow
def test_the_administrator_begins_with_the_link_in_the_console(folder: Path, port: int):
    with quickstart(folder, port) as program:
        first = program.output_with(LAST_LINE)
        program.stopped(signal.SIGINT)
    with quickstart(folder, port) as program:
        second = program.output_with(LAST_LINE)
        url, username, link = told_administrator(second)
        assert username == "admin"
        assert link != told_administrator(first)[2]
        with httpx.Client(base_url=url, timeout=60, trust_env=False) as http:
            browser = Browser(http, url)
            page = browser.get(path_of(link))
            typed = {"new_password": PASSWORD, "repeated": PASSWORD}
            accepted = browser.submit(page, path_of(link), **typed)
            assert accepted.location == "/console"
            assert browser.get("/console/roles").status == httpx.codes.OK
        program.stopped(signal.SIGINT)
    with quickstart(folder, port) as program:
        third = program.output_with(LAST_LINE)
        program.stopped(signal.SIGINT)
    assert f"Sign in as admin at the console:\n  {url}/console\n" in third
    assert "/invitation/" not in third


@pytest.mark.slow
def test_other_commands_find_it_as_it_says(folder: Path, port: int):
    with quickstart(folder, port) as program:
        text = program.output_with(LAST_LINE)
        found = re.search(r"commands find it with:\n\n  (export .+)\n  (.+ client list)\n", text)
        assert found
        done = subprocess.run(
            ["bash", "-c", f"{found[1]}\n{found[2]}"],
            cwd="/",
            env={**process_environment(), "PYTHONPATH": str(REPOSITORY)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert "demo-service" in done.stdout
        assert f"run `{found[2].removesuffix(' client list')} admin recover`" in text
        program.stopped(signal.SIGINT)


@pytest.mark.parametrize(
    ("called", "named"),
    [(".venv/bin/issuer", ".venv/bin/issuer"), ("{bin}/issuer", "issuer")],
)
def test_it_names_the_program_as_a_shell_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, called: str, named: str
):
    installed = tmp_path / "issuer"
    installed.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [called.format(bin=tmp_path)])
    assert program_name() == named


@pytest.mark.parametrize(
    ("target", "arguments", "hint"),
    [
        ("quickstart", ["--port", "{port}"], "quickstart ARGS='--port {next}'"),
        ("quickstart", [], "quickstart ARGS='--port {next}'"),
        ("demo", ["--port={port}"], "demo ARGS='--port {next}'"),
        (
            "demo",
            ["--port=0", "--agentos-port", "{port}"],
            "demo ARGS='--agentos-port {next}'",
        ),
    ],
)
def test_make_checks_the_port_before_it_installs(
    tmp_path: Path, target: str, arguments: list[str], hint: str
):
    (tmp_path / "examples").mkdir()
    for name in ("Makefile", "examples/free_ports.py"):
        shutil.copy(REPOSITORY / name, tmp_path / name)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        given = " ".join(arguments).format(port=port)
        url = {"ISSUER_URL": f"http://127.0.0.1:{port}"}
        done = subprocess.run(
            ["make", target, f"ARGS={given}"],
            cwd=tmp_path,
            env={**process_environment(), **url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode
    sentence = f"The address 127.0.0.1, port {port}, is taken by another program."
    assert f"{sentence} Choose another port: make {hint.format(next=port + 1)}" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_make_help_names_the_port():
    said = subprocess.check_output(["make", "help"], cwd=REPOSITORY, text=True)
    assert re.search(r"^ +make quickstart .*ARGS='--port \d+'", said, re.MULTILINE)


def told_administrator(text: str) -> tuple[str, ...]:
    """The address of the issuer, the user name, and the link."""
    found = re.search(r"The console is at (\S+)/console\. The user (\S+) .*:\n  (\S+)\n", text)
    assert found
    return found.groups()


def administrator(composition: Composition) -> ConsoleAdministrator | None:
    with composition.administration.changing(OPERATOR) as work:
        return ensure_administrator(work, URL)


def test_a_user_who_exists_gets_no_rights(cli: Cli):
    cli.done("user", "create", "Admin")
    with cli.composition() as composition:
        assert administrator(composition) is None
    assert cli.json("user", "role", "list", "admin")["items"] == []


@pytest.mark.parametrize("loss", ["unassign", "disable"])
def test_an_administrator_who_is_none_any_more_gets_no_link(cli: Cli, loss: str):
    with cli.composition() as composition:
        assert administrator(composition)
    if loss == "disable":
        cli.done("user", "update", "admin", "--disabled")
    else:
        cli.done("user", "role", "unassign", "admin", "administrator", "--audience", URL, "--yes")
    with cli.composition() as composition:
        assert administrator(composition) is None


@pytest.mark.slow
def test_it_serves_where_issuer_url_says(folder: Path, port: int):
    url = f"http://127.0.0.1:{port}"
    with running(folder, {"ISSUER_URL": url}, "quickstart") as program:
        text = program.output_with(LAST_LINE)
        assert f"The issuer {url} serves at {url}," in text
        assert f'Verifier("{url}", audience="my-os")' in text
        assert paste(curls(text)[0])["token_type"] == "Bearer"


@pytest.mark.slow
def test_it_serves_at_the_port_given_behind_a_proxy(folder: Path, port: int):
    arguments = ["quickstart", "--port", str(port)]
    with running(folder, {"ISSUER_URL": "https://id.example"}, *arguments) as program:
        text = program.output_with(LAST_LINE)
        assert f"The issuer https://id.example serves at http://127.0.0.1:{port}," in text
        assert paste(curls(text)[0])["token_type"] == "Bearer"


def test_it_does_not_print_one_address_and_serve_another(folder: Path, new_cli: Cli):
    cli = new_cli.with_environment(
        ISSUER_URL="http://127.0.0.1:9123", ISSUER_DATA_DIR=str(folder / "issuer-data")
    )
    assert "ISSUER_URL is http://127.0.0.1:9123" in cli("quickstart", "--port", "9124").sentence
    assert not folder.exists()


def test_with_a_port_in_use_nothing_is_created(folder: Path):
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        quickstart(folder, taken.getsockname()[1]) as program,
    ):
        assert "is taken by another program" in program.ended().sentence
    assert not (folder / "issuer-data").exists()


def ensured(parts: Composition) -> Demo:
    return ensure_demo(parts.administration, parts.tokens.client_authentication, OPERATOR)


@pytest.mark.parametrize("loss", ["file", "client", "user", "audience"])
def test_a_lost_part_of_the_demo_is_created_again(cli: Cli, data_dir: Path, loss: str):
    with cli.composition() as composition:
        first = ensured(composition)
        assert ensured(composition) == first
    match loss:
        case "file":
            (data_dir / "quickstart.json").write_text("{}")
        case "client":
            cli.done("client", "delete", first.client_id)
        case "user":
            cli.done("user", "delete", first.username)
        case "audience":
            cli.done("audience", "delete", first.audience, "--cascade", "--yes")
    with cli.composition() as composition:
        second = ensured(composition)
        assert ensured(composition) == second
        client = composition.tokens.client_authentication.from_database(
            second.client_id, second.client_secret, composition.clock(), is_last=True
        )
        assert client.record.audiences
        assert composition.sign_in.sign_in.authenticate(second.username, second.password)
    assert second != first
    stored = json.loads((data_dir / "quickstart.json").read_text())
    assert stored["client_secret"] == second.client_secret


@pytest.fixture(scope="module")
def pasted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str, str]]:
    """A folder, the lines for an AgentOS and a token, of a running quickstart."""
    folder = tmp_path_factory.mktemp("pasted")
    with reserved_port() as port, quickstart(folder, port) as program:
        text = program.output_with(LAST_LINE)
        get_token, _ = curls(text)
        yield folder, agent_os_lines(text), paste(get_token)["access_token"]


@pytest.mark.slow
@pytest.mark.parametrize("release", SERVER_RELEASES, ids=str)
def test_the_printed_lines_protect_an_agent_os(pasted: tuple[Path, str, str], release: AgnoRelease):
    """The token allows the agent that it names and no other."""
    folder, lines, token = pasted
    script = folder / "agent_os.py"
    script.write_text(ASKING.format(lines=lines))
    answered = subprocess.run(
        [release.python, script, token],
        cwd=folder,
        env={
            **process_environment(),
            "PYTHONPATH": f"{AGENT_OS}:{REPOSITORY}",
            "AGNO_TELEMETRY": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert answered.stdout.splitlines()[-1:] == ["401 200 200 403"], answered.stderr


ASKING = """
import sys

from server import stub_agent
from starlette.testclient import TestClient

{lines}

http = TestClient(app).__enter__()
bearer = {{"Authorization": f"Bearer {{sys.argv[1]}}"}}
run = {{"message": "ping", "stream": "false"}}
answers = [
    http.get("/agents"),
    http.get("/agents", headers=bearer),
    http.post("/agents/web/runs", data=run, headers=bearer),
    http.post("/agents/billing/runs", data=run, headers=bearer),
]
print(*(answer.status_code for answer in answers))
http.__exit__()
"""


def quickstart(folder: Path, port: int) -> AbstractContextManager[Program]:
    return running(folder, {}, "quickstart", "--port", str(port))


def curls(text: str) -> list[str]:
    return re.findall(r"^ *(curl .*)$", text, re.MULTILINE)


def paste(curl: str) -> dict[str, Any]:
    """What the command prints when it is pasted into a shell."""
    done = subprocess.run(
        ["bash", "-c", curl], env=process_environment(), capture_output=True, text=True, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def agent_os_lines(text: str) -> str:
    lines = re.search(r"^from agno.*?^app = .*?$", text, re.MULTILINE | re.DOTALL)
    assert lines is not None
    return lines[0].replace("agents=[...]", 'agents=[stub_agent("web"), stub_agent("billing")]')
