"""Starts a stock AgentOS and calls it over HTTP."""

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.agentos.releases import AgnoRelease

SERVER = Path(__file__).with_name("server.py")
SECONDS_TO_START = 120
SECONDS_TO_STOP = 60
BETWEEN_POLLS = 0.05


class AgentOSStartError(AssertionError):
    """The server ended, or did not answer in time; the message contains its output."""


@dataclass(frozen=True)
class AgentOSServer:
    """An AgentOS in a process of its own that answers at `url`."""

    release: AgnoRelease
    url: str
    http: httpx.Client
    pid: int
    output: Path

    def get(self, path: str, token: str | None) -> httpx.Response:
        return self.http.get(path, headers=bearer(token))

    def run(self, token: str | None, agent_id: str, **form: str) -> httpx.Response:
        """Run this agent."""
        return self._run(f"/agents/{agent_id}/runs", token, form)

    def run_team(self, token: str | None, team_id: str, **form: str) -> httpx.Response:
        return self._run(f"/teams/{team_id}/runs", token, form)

    def run_workflow(self, token: str | None, workflow_id: str, **form: str) -> httpx.Response:
        return self._run(f"/workflows/{workflow_id}/runs", token, form)

    def may_run(self, token: str | None, agent_id: str) -> bool:
        """Whether the token allows to run the agent; an unexpected status fails the test."""
        answer = self.run(token, agent_id)
        assert answer.status_code in {200, 401, 403}, (answer.status_code, answer.text)
        return answer.status_code == httpx.codes.OK

    def list_agents(self, token: str | None) -> set[str]:
        """The ids of the agents in the list."""
        answer = self.get("/agents", token)
        assert answer.status_code == httpx.codes.OK, (answer.status_code, answer.text)
        return {agent["id"] for agent in answer.json()}

    def _run(self, path: str, token: str | None, form: dict[str, str]) -> httpx.Response:
        form = {"message": "ping", "stream": "false"} | form
        return self.http.post(path, data=form, headers=bearer(token))


def bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}


@contextlib.contextmanager
def running_agent_os(
    release: AgnoRelease,
    workdir: Path,
    *,
    jwks_file: Path | str | None = None,
    pems: Sequence[str] = (),
    agent_os_id: str = "my-os",
    audience: str | None = None,
    algorithm: str = "RS256",
    script: Path = SERVER,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Iterator[AgentOSServer]:
    """A stock AgentOS of this release, ready to answer; stopped when the block ends.

    It reads its keys from `jwks_file` or from the public keys `pems`; `audience` defaults to its
    id. `workdir` is an empty directory for its files and its output. `script` with `arguments` may
    be another server that prints what `server.py` prints; `environment` has further variables.
    """
    command = [os.fspath(release.python), "-P", os.fspath(script), "--while-stdin-is-open"]
    command += ["--id", agent_os_id, "--audience", audience or agent_os_id]
    command += ["--algorithm", algorithm]
    if jwks_file is not None:
        command += ["--jwks-file", os.fspath(jwks_file)]
    for number, pem in enumerate(pems):
        pem_file = workdir / f"verification-key-{number}.pem"
        pem_file.write_text(pem)
        command += ["--pem-file", os.fspath(pem_file)]
    with _running([*command, *arguments], workdir, environment or {}) as (process, output):
        url, version = _address(process, output)
        assert version == release.version, f"{release.python} holds agno {version}."
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as http:
            _wait_until_healthy(http, process, output)
            yield AgentOSServer(release, url, http, process.pid, output)


@contextlib.contextmanager
def _running(
    command: list[str], workdir: Path, environment: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    output = workdir / "output.txt"
    with (
        output.open("wb") as sink,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=workdir,
            # Not our environment: JWT_VERIFICATION_KEY, for one, would add a trusted key.
            env={
                "PATH": os.environ["PATH"],
                "HOME": os.fspath(workdir),
                "AGNO_TELEMETRY": "false",
                **environment,
            },
        ) as process,
    ):
        try:
            yield process, output
        finally:
            status = _stop(process)
    assert status == 0, f"AgentOS ended with status {status}:\n{output.read_text()}"


def _stop(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _address(process: subprocess.Popen[bytes], output: Path) -> tuple[str, str]:
    for _ in _polls(process, output):
        for line in output.read_text().splitlines(keepends=True):
            if line.startswith('{"url"') and line.endswith("\n"):
                started = json.loads(line)
                return started["url"], started["agno"]
    raise AssertionError("the polls end by raising")


def _wait_until_healthy(http: httpx.Client, process: subprocess.Popen[bytes], output: Path) -> None:
    for _ in _polls(process, output):
        with contextlib.suppress(httpx.TransportError):
            if http.get("/health").status_code == httpx.codes.OK:
                return


def _polls(process: subprocess.Popen[bytes], output: Path) -> Iterator[None]:
    """Yield until the deadline or until the process ends, and then raise."""
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        yield
        time.sleep(BETWEEN_POLLS)
    raise AgentOSStartError(
        f"AgentOS did not start within {SECONDS_TO_START} s (status {process.poll()}):\n"
        f"{output.read_text()}"
    )
