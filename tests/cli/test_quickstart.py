"""`issuer quickstart`: what it prints is pasted, as a newcomer would."""

import json
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agentos.releases import RELEASES, AgnoRelease
from tests.cli.driver import Cli, running
from tests.journeys.running_issuer import process_environment, reserved_port

LAST_LINE = "the next quickstart goes on with the same data."
AGENT_OS = Path(__file__).parents[1] / "agentos"


@pytest.fixture
def port() -> Iterator[int]:
    with reserved_port() as port:
        yield port


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where it is started, and with no settings at all makes its data."""
    return tmp_path / "home"


def test_a_first_look_and_a_second(folder: Path, port: int):
    with quickstart(folder, port) as program:
        first = program.said(LAST_LINE)
        claims = [paste(curl) for curl in curls(first)[:2]]
        result = program.stopped(signal.SIGINT)
    assert [each["scope"] for each in claims] == ["agents:read agents:web:run"] * 2
    assert (result.status, result.err) == (0, "")
    assert first.count("issuer-admin with the secret ais_") == 1
    with quickstart(folder, port) as program:
        second = program.said(LAST_LINE)
        assert paste(curls(second)[0])["token_type"] == "Bearer"
        result = program.stopped(signal.SIGTERM)
    assert (result.status, result.err) == (0, "")
    assert "issuer-admin" not in second
    assert curls(second) == curls(first)


def test_what_is_kept_is_for_its_owner_alone(folder: Path, port: int):
    with quickstart(folder, port, "--json") as program:
        said = program.listening()
    data_dir = folder / "issuer-data"
    assert json.loads((data_dir / "quickstart.json").read_text()) == said["demo"]
    assert said["house"]["issuer"] == f"http://127.0.0.1:{port}"
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in data_dir.iterdir()} == {0o600}


@pytest.mark.parametrize("loss", ["file", "client", "user"])
def test_what_was_lost_is_made_again(folder: Path, port: int, loss: str):
    with quickstart(folder, port, "--json") as program:
        before = program.listening()["demo"]
    cli = Cli({"ISSUER_DATA_DIR": str(folder / "issuer-data")})
    match loss:
        case "file":
            (folder / "issuer-data" / "quickstart.json").unlink()
        case "client":
            cli.done("client", "delete", "demo-service")
        case "user":
            cli.done("user", "delete", "demo")
    with quickstart(folder, port, "--json") as program:
        said = program.listening()
        assert paste(said["curl"])["token_type"] == "Bearer"
    assert said["demo"] != before
    assert len(cli.json("client", "secret", "list", "demo-service")["items"]) <= 2


def test_a_port_that_is_taken_makes_nothing(folder: Path, port: int):
    with running(folder / "other", {}, "quickstart", "--port", str(port)) as other:
        other.said(LAST_LINE)
        with quickstart(folder, port) as program:
            assert "is taken by another program" in program.ended().sentence
    assert not (folder / "issuer-data").exists()


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_the_lines_for_an_agent_os_do_what_they_say(folder: Path, port: int, release: AgnoRelease):
    """Stock AgentOS, both releases: the token opens the agent it names and no other."""
    with quickstart(folder, port) as program:
        text = program.said(LAST_LINE)
        get_token, _, get_keys = curls(text)
        subprocess.run(["bash", "-c", get_keys], cwd=folder, check=True)
        token = paste(get_token)["access_token"]
    script = folder / "agent_os.py"
    script.write_text(ASKING.format(lines=agent_os_lines(text)))
    answered = subprocess.run(
        [release.python, script, token],
        cwd=folder,
        env={**process_environment(), "PYTHONPATH": str(AGENT_OS), "AGNO_TELEMETRY": "false"},
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

http = TestClient(app)
bearer = {{"Authorization": f"Bearer {{sys.argv[1]}}"}}
run = {{"message": "ping", "stream": "false"}}
answers = [
    http.get("/agents"),
    http.get("/agents", headers=bearer),
    http.post("/agents/web/runs", data=run, headers=bearer),
    http.post("/agents/billing/runs", data=run, headers=bearer),
]
print(*(answer.status_code for answer in answers))
"""


def quickstart(folder: Path, port: int, *more: str) -> Any:
    return running(folder, {}, "quickstart", "--port", str(port), *more)


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
