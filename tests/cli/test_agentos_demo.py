"""`issuer quickstart --agentos`: everything it shows happens, in real servers."""

import json
import re
import signal
import socket
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.cli.driver import Program, running
from tests.journeys.running_issuer import REPOSITORY, process_environment, wait_until

LAST_LINE = "the data of this demo is gone then."
SECONDS = 60

pytestmark = pytest.mark.slow


def test_it_shows_what_a_token_opens_and_how_agentos_follows_a_revocation(tmp_path: Path):
    with demo(tmp_path) as program:
        text = program.said(LAST_LINE)
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
        keys = re.search(r"^  ISSUER_URL=\S+ ISSUER_DATA_DIR=(\S+) issuer key list$", text, re.M)
        assert Path(keys[1]).is_dir()
        agent_os = re.search(r"^(http://\S+), which follows it:$", text, re.MULTILINE)[1]
        result = program.stopped(signal.SIGINT)
    assert (result.status, result.err) == (0, "")
    assert not Path(keys[1]).parent.exists()
    with pytest.raises(httpx.TransportError):
        httpx.get(agent_os, trust_env=False)
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"stdout", "stderr"}


def test_in_json_it_is_one_line(tmp_path: Path):
    with demo(tmp_path, "--json") as program:
        told = program.listening()
        result = program.stopped(signal.SIGTERM)
    assert [call["status"] for call in told["calls"]] == [200, 403, 200, 403, 401]
    old, _, new, _, refused = (call["kid"] for call in told["calls"])
    assert old == refused != new
    assert (result.status, result.out.count("\n"), result.err) == (0, 1, "")


def test_no_setting_leads_it_to_another_house(tmp_path: Path):
    """It revokes a key, which in a house that is used would end every token."""
    mine = tmp_path / "mine"
    settings = {"ISSUER_DATA_DIR": str(mine), "ISSUER_DATABASE_URL": f"sqlite:///{mine}/db"}
    with demo(tmp_path, **settings) as program:
        program.said(LAST_LINE)
        program.stopped(signal.SIGTERM)
    assert not mine.exists()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_stopped_in_the_middle_it_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals):
    with demo(tmp_path) as program:
        program.said("which follows it:")
        servers = children(program)
        result = program.stopped(ending)
    assert (result.status, result.err) == (0, "")
    assert list((tmp_path / "houses").iterdir()) == []
    assert len(servers) == 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in servers)


def test_the_agent_os_does_not_outlive_it(tmp_path: Path):
    with demo(tmp_path) as program:
        program.said("which follows it:")
        (agent_os,) = children(program)
        program.kill()
    wait_until(lambda: not is_running(agent_os), SECONDS, "the AgentOS ended")


def test_without_agno_it_says_what_to_install(tmp_path: Path):
    with demo(tmp_path, **with_agno(tmp_path, {"__init__.py": ""})) as program:
        sentence = program.ended().sentence
    assert sentence == "There is no AgentOS here to show: pip install 'agno[os]', or make demo."


def test_an_agno_that_cannot_start_is_said_too(tmp_path: Path):
    """As without what its extra `os` brings."""
    broken = {"__init__.py": "", "os/__init__.py": "raise ImportError('no such thing')"}
    with demo(tmp_path, **with_agno(tmp_path, broken)) as program:
        result = program.ended()
    assert result.status == 1
    assert "Traceback" in result.err
    last = "The AgentOS did not start: pip install 'agno[os]' has all it needs."
    assert result.err.splitlines()[-1] == last


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path / "demo", {}, *DEMO[:-1], port) as program:
            assert f"port {port}, is taken" in program.ended().sentence


def test_it_serves_this_machine_only(tmp_path: Path):
    with demo(tmp_path, "--host", "0.0.0.0") as program:
        assert program.ended().status == 2


DEMO = ["quickstart", "--agentos", "--port", "0", "--agentos-port", "0"]


def demo(folder: Path, *more: str, **environment: str) -> AbstractContextManager[Program]:
    """Its house, which a demo that is killed cannot clear away, is in `folder`."""
    (folder / "houses").mkdir()
    return running(folder / "demo", {"TMPDIR": str(folder / "houses"), **environment}, *DEMO, *more)


def with_agno(folder: Path, files: dict[str, str]) -> dict[str, str]:
    """An environment in which these files are agno."""
    for name, text in files.items():
        file = folder / "first" / "agno" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return {"PYTHONPATH": f"{folder / 'first'}:{REPOSITORY}"}


def pasted(text: str) -> list[str | None]:
    """What the lines to try answer in a shell."""
    token, *runs = re.findall(r"^  ((?:TOKEN=|curl ).*)$", text, re.MULTILINE)
    contents = []
    for run in runs:
        done = subprocess.run(
            ["bash", "-c", f"{token}\n{run}"],
            env=process_environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        contents.append(json.loads(done.stdout).get("content"))
    return contents


def children(program: Program) -> set[int]:
    pids = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text()
    return {int(pid) for pid in pids.split()}


def is_running(pid: int) -> bool:
    """A process that ended may wait for its new parent to notice."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
