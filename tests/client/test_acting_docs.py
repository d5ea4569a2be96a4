"""The page about acting on behalf of a person: its commands and its programs do what it says."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import bearer
from tests.builders import Credentials
from tests.cli.driver import Cli
from tests.client.exchanging_issuer import claims_in
from tests.client.programs import second_agent_os
from tests.existing_data import use
from tests.how_tos import changing_only
from tests.journeys.running_issuer import (
    REPOSITORY,
    RunningIssuer,
    end_with_the_tests,
    process_environment,
    reserved_port,
    wait_until,
)
from tests.journeys.test_example_agentos import is_healthy

pytestmark = pytest.mark.slow

PAGE = "act-on-behalf.md"
HOW_TO = (REPOSITORY / "docs" / "how-to" / PAGE).read_text()
EXAMPLE = (REPOSITORY / "examples" / "acting_agentos.py").read_text()
AGENT_OS, OTHERWISE = re.findall(r"^```python\n(.*?)^```$", HOW_TO, re.MULTILINE | re.DOTALL)
COMMANDS = [shlex.split(each) for each in re.findall(r"^\$ issuer (.+)$", HOW_TO, re.MULTILINE)]
SERVING = """
import os
import uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
"""
WITHIN = 10
SECONDS_TO_START = 120


def test_the_page_is_followed_at_an_issuer_that_is_used_already(tmp_path: Path):
    """With the AgentOS of the page, and the one in examples/."""
    with RunningIssuer(tmp_path) as issuer:
        use(issuer.deployment)
        issuer.deployment.user("alice", ["earlier"], id="usr_alice")
        app = issuer.deployment.client("app", grant_types=["password"], user_rights="all")
        with changing_only(issuer.deployment, PAGE):
            follow(issuer, app, tmp_path)


def follow(issuer: RunningIssuer, app: Credentials, folder: Path) -> None:
    first_end = next(i for i, each in enumerate(COMMANDS) if "revoke-tokens" in each)
    cli, secret = Cli(issuer.environment), folder / "secret"
    for command in COMMANDS[:first_end]:
        if command[:2] == ["client", "create"]:
            secret.write_text(cli.json(*command)["client_secret"])
        else:
            said = cli.done(*command)
    assert "allowed" in said.lower()
    token = issuer.token_endpoint.password(app, "alice").token
    with second_agent_os(AGNO_3_1, folder / "archive", issuer.url, "archive") as archive:
        places = {
            "https://id.example": issuer.url,
            "https://archive.example": archive.url,
            "/run/secrets/my-os-agents": str(secret),
        }
        variables = {
            "ISSUER_URL": issuer.url,
            "ARCHIVE_URL": archive.url,
            "CLIENT_SECRET_FILE": str(secret),
        }
        for program in (replaced(AGENT_OS, places) + SERVING, EXAMPLE):
            with running(program, folder, variables) as url:
                answer = run(url, "helper", token)
                assert answer.json()["content"] == "usr_alice"
        exchanged = next(each for each in seen(archive.url) if "act" in claims_in(each))
        claims = claims_in(exchanged)
        assert (claims["aud"], claims["client_id"]) == ("archive", "my-os-agents")
        assert (claims["sub"], claims["act"]) == ("usr_alice", {"sub": "my-os-agents"})
        assert token not in seen(archive.url)
        for command in COMMANDS[first_end:]:
            assert cli.done(*command)
        wait_until(
            lambda: run(archive.url, "web", exchanged).status_code == 401, WITHIN, "it is refused"
        )
    exec(replaced(OTHERWISE, places), {})


def run(url: str, agent_id: str, token: str) -> httpx.Response:
    form = {"message": "ping", "stream": "false"}
    return httpx.post(
        f"{url}/agents/{agent_id}/runs",
        data=form,
        headers=bearer(token),
        timeout=60,
        trust_env=False,
    )


def seen(archive_url: str) -> list[str]:
    return list(httpx.get(f"{archive_url}/seen", trust_env=False).json())


def replaced(text: str, places: dict[str, str]) -> str:
    for name, value in places.items():
        text = text.replace(name, value)
    return text


@contextmanager
def running(program: str, folder: Path, variables: dict[str, str]) -> Iterator[str]:
    """The URL of a program with its own AgentOS, whose model calls `run_agent` and repeats it."""
    model = 'CallsTool("run_agent", agent_id="web", message="ping")'
    imported = "from tests.client.acting_apps import CallsTool"
    code = program.replace("from agno.models.openai import OpenAIChat", imported)
    code = code.replace('OpenAIChat(id="gpt-5-mini")', model)
    with reserved_port() as port, (folder / "my-os.txt").open("wb") as output:
        url = f"http://127.0.0.1:{port}"
        with subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={
                **process_environment(),
                **variables,
                "PORT": str(port),
                "PYTHONPATH": str(REPOSITORY),
                "AGNO_TELEMETRY": "false",
            },
            preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        ) as process:
            try:
                wait_until(lambda: is_healthy(url), SECONDS_TO_START, "the program answers")
                yield url
            finally:
                process.terminate()
