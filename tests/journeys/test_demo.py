"""examples/demo.py, with real servers."""

import json
import re
import signal
import socket
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.builders import PASSWORD
from tests.cli.driver import Program, running
from tests.journeys.running_issuer import REPOSITORY, process_environment, wait_until
from tests.web.browsing import Browser, path_of

LAST_LINE = "deletes the data of this demo."
SECONDS = 60

pytestmark = pytest.mark.slow


def test_it_shows_allowed_and_refused_calls_before_and_after_a_key_is_revoked(tmp_path: Path):
    with demo(tmp_path) as program:
        text = program.output_with(LAST_LINE)
        calls = re.findall(r"^  POST (/\S+) +(\d+)  (.+)$", text, re.MULTILINE)
        allowed = ("/agents/web/runs", "200", "The agent web answers.")
        assert [status for _, status, _ in calls] == ["200", "403", "200", "403", "401"]
        assert [calls[0], calls[2]] == [allowed, allowed]
        assert {path for path, status, _ in calls if status == "403"} == {"/agents/billing/runs"}
        first, second = re.search(r"by the key (\S+):.*signs, (\S+)\.", text, re.DOTALL).groups()
        assert first != second
        printed = (REPOSITORY / "README.md").read_text()
        assert {f"  {line}" for line in re.findall(r"^POST .+$", printed, re.MULTILINE)} <= set(
            text.splitlines()
        )
        assert program.err == ""
        assert pasted(text) == ["The agent web answers.", None]
        keys = re.search(
            r"^  (export ISSUER_URL=\S+ ISSUER_DATA_DIR=(\S+))\n  (\S+ key list)$", text, re.M
        )
        assert Path(keys[2]).is_dir()
        assert first in run_by_bash(f"{keys[1]}\n{keys[3]}")
        agent_os = re.search(r"billing runs at (http://\S+)$", text, re.MULTILINE)[1]
        result = program.stopped(signal.SIGINT)
    assert (result.status, result.err) == (0, "")
    assert not Path(keys[2]).parent.exists()
    with pytest.raises(httpx.TransportError):
        httpx.get(agent_os, trust_env=False)
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"stdout", "stderr"}


def test_an_mcp_client_connects_as_it_says(tmp_path: Path):
    with demo(tmp_path) as program:
        text = program.output_with(LAST_LINE)
        url = re.search(r"^  claude mcp add --transport http demo (\S+)$", text, re.MULTILINE)[1]
        name, password = re.search(r"sign in as (\S+) with the password\n(\S+):", text).groups()
        client = subprocess.run(
            [sys.executable, "-P", "-m", "tests.journeys.mcp_clients.python_client", "mcp"],
            input=json.dumps(
                {
                    "url": url,
                    "tool": "run_agent",
                    "toolArguments": {"agent_id": "web", "message": "hello"},
                }
            ),
            env={
                **process_environment(),
                "PYTHONPATH": str(REPOSITORY),
                "USERNAME": name,
                "PASSWORD": password,
            },
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert "The agent web answers." in client.stdout
        answered = json.loads(run_by_bash(re.search(r"TOKEN=\$\((curl .*?) \|", text)[1]))
        refused = called_tool(
            url, answered["access_token"], {"agent_id": "billing", "message": "x"}
        )
        assert "Insufficient permissions. Required scope(s): agents:billing:run" in refused
        program.stopped(signal.SIGINT)
    (line,) = program.err.splitlines()
    assert line.endswith(
        "Refused the MCP tool 'run_agent': Insufficient permissions."
        " Required scope(s): agents:billing:run"
    )


def test_it_prints_where_its_administrator_begins(tmp_path: Path):
    with demo(tmp_path) as program:
        text = program.output_with(LAST_LINE)
        found = re.search(
            r"console of the issuer is at (\S+)/console\.\nIts .* user (\S+), who.*\n\n  (\S+)",
            text,
        )
        url, username, link = found.groups()
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False) as http:
            browser = Browser(http, url)
            typed = {"new_password": PASSWORD, "repeated": PASSWORD}
            path = path_of(link)
            page = browser.get(path)
            assert username == "admin"
            answers = iter(lambda: browser.submit(page, path, **typed), None)
            # As the page says that a busy machine answers: nothing was changed, try again.
            entered = next(
                each for each in answers if each.status != httpx.codes.SERVICE_UNAVAILABLE
            )
            assert entered.location == "/console"


def test_no_setting_points_it_at_another_deployment(tmp_path: Path):
    """It revokes a key, which would end every token of a deployment in use."""
    mine = tmp_path / "mine"
    settings = {"ISSUER_DATA_DIR": str(mine), "ISSUER_DATABASE_URL": f"sqlite:///{mine}/db"}
    with demo(tmp_path, **settings) as program:
        program.output_with(LAST_LINE)
        program.stopped(signal.SIGTERM)
    assert not mine.exists()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals):
    with demo(tmp_path) as program:
        program.output_with("and accepts its tokens:")
        processes = descendants(program.pid)
        result = program.stopped(ending)
    assert (result.status, result.err) == (0, "")
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(processes) >= 2
    assert not any(map(is_running, processes))


def test_its_servers_do_not_outlive_it(tmp_path: Path):
    with demo(tmp_path) as program:
        program.output_with("and accepts its tokens:")
        processes = descendants(program.pid)
        program.kill()
    assert len(processes) >= 2
    wait_until(lambda: not any(map(is_running, processes)), SECONDS, "the servers ended")


BROKEN = {"os/__init__.py": "raise ImportError('no such thing')"}


@pytest.mark.parametrize("files", [{}, BROKEN], ids=["without agno.os", "without its dependencies"])
def test_an_agno_that_cannot_start_is_an_error(tmp_path: Path, files: dict[str, str]):
    with demo(tmp_path, **with_agno(tmp_path, {"__init__.py": "", **files})) as program:
        result = program.ended()
    assert result.status == 1
    last = "The AgentOS did not start. Is agno installed? Run make demo."
    assert result.err.splitlines()[-1] == last


@pytest.mark.parametrize("option", ["--port", "--agentos-port"])
def test_a_port_that_is_taken_is_an_error_that_names_it(tmp_path: Path, option: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with demo(tmp_path, option, port) as program:
            result = program.ended()
    assert result.status == 1
    assert f"port {port}" in result.err


DEMO = [sys.executable, str(REPOSITORY / "examples" / "demo.py"), "--port", "0"]
DEMO += ["--agentos-port", "0"]


def demo(folder: Path, *more: str, **environment: str) -> AbstractContextManager[Program]:
    """Its data, which a demo that is killed cannot delete, is in `folder`."""
    (folder / "temporary").mkdir()
    variables = {"TMPDIR": str(folder / "temporary"), **environment}
    return running(folder / "demo", variables, *more, command=DEMO)


def with_agno(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """An environment in which these files are agno."""
    for name, text in files.items():
        file = folder / "first" / "agno" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {"PYTHONPATH": f"{folder / 'first'}:{REPOSITORY}"}


def pasted(text: str) -> list[str | None]:
    """The answers to the printed commands, run in a shell."""
    token, *runs = re.findall(r"^  ((?:TOKEN=|curl ).*)$", text, re.MULTILINE)
    return [json.loads(run_by_bash(f"{token}\n{run}")).get("content") for run in runs]


def run_by_bash(script: str) -> str:
    environment = {**process_environment(), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.check_output(["bash", "-c", script], env=environment, text=True)


def called_tool(url: str, token: str, arguments: dict[str, str]) -> str:
    """The answer of the MCP endpoint to a call of `run_agent`."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json, text/event-stream"}
    asked = {"protocolVersion": "2025-06-18", "capabilities": {}}
    asked |= {"clientInfo": {"name": "tests", "version": "1"}}
    with httpx.Client(headers=headers, timeout=SECONDS, trust_env=False) as http:
        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": asked}
        session = http.post(url, json=message).headers.get("mcp-session-id", "")
        call = {"name": "run_agent", "arguments": arguments}
        message = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call}
        return http.post(url, json=message, headers={"mcp-session-id": session}).text


def descendants(pid: int) -> set[int]:
    """The processes that it started, and those that they started."""
    children = map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return {each for child in children for each in (child, *descendants(child))}


def is_running(pid: int) -> bool:
    """Not a zombie, which waits for its new parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
