"""`issuer quickstart --agentos`, with real servers."""

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
        keys = re.search(r"^  ISSUER_URL=\S+ ISSUER_DATA_DIR=(\S+) issuer key list$", text, re.M)
        assert Path(keys[1]).is_dir()
        agent_os = re.search(r"billing runs at (http://\S+)$", text, re.MULTILINE)[1]
        result = program.stopped(signal.SIGINT)
    assert (result.status, result.err) == (0, "")
    assert not Path(keys[1]).parent.exists()
    with pytest.raises(httpx.TransportError):
        httpx.get(agent_os, trust_env=False)
    assert {path.name for path in (tmp_path / "demo").iterdir()} == {"stdout", "stderr"}


def test_in_json_it_is_one_line(tmp_path: Path):
    with demo(tmp_path, "--json") as program:
        answer = program.listening()
        result = program.stopped(signal.SIGTERM)
    assert [call["status"] for call in answer["calls"]] == [200, 403, 200, 403, 401]
    old, _, new, _, refused = (call["kid"] for call in answer["calls"])
    assert old == refused != new
    assert (result.status, result.out.count("\n"), result.err) == (0, 1, "")


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
        servers = children(program)
        result = program.stopped(ending)
    assert (result.status, result.err) == (0, "")
    assert list((tmp_path / "temporary").iterdir()) == []
    assert len(servers) == 1
    assert not any(Path(f"/proc/{pid}").exists() for pid in servers)


def test_the_agent_os_does_not_outlive_it(tmp_path: Path):
    with demo(tmp_path) as program:
        program.output_with("and accepts its tokens:")
        (agent_os,) = children(program)
        program.kill()
    wait_until(lambda: not is_running(agent_os), SECONDS, "the AgentOS ended")


def test_without_agno_the_error_names_what_to_install(tmp_path: Path):
    with demo(tmp_path, **with_agno(tmp_path, {"__init__.py": ""})) as program:
        sentence = program.ended().sentence
    assert sentence == "agno is not installed. Run pip install 'agno[os]', or make demo."


def test_an_agno_that_cannot_start_is_an_error(tmp_path: Path):
    """As without the dependencies of its extra `os`."""
    broken = {"__init__.py": "", "os/__init__.py": "raise ImportError('no such thing')"}
    with demo(tmp_path, **with_agno(tmp_path, broken)) as program:
        result = program.ended()
    assert result.status == 1
    assert "Traceback" in result.err
    last = "The AgentOS did not start. Install its dependencies: pip install 'agno[os]'."
    assert result.err.splitlines()[-1] == last


def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path / "demo", {}, *DEMO[:-1], port) as program:
            assert f"port {port}, is taken" in program.ended().sentence


def test_it_listens_on_this_machine_only(tmp_path: Path):
    with demo(tmp_path, "--host", "0.0.0.0") as program:
        assert program.ended().status == 2


DEMO = ["quickstart", "--agentos", "--port", "0", "--agentos-port", "0"]


def demo(folder: Path, *more: str, **environment: str) -> AbstractContextManager[Program]:
    """Its data, which a demo that is killed cannot delete, is in `folder`."""
    (folder / "temporary").mkdir()
    return running(
        folder / "demo", {"TMPDIR": str(folder / "temporary"), **environment}, *DEMO, *more
    )


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
    """Not a zombie, which waits for its new parent."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
