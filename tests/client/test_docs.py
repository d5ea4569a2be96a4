"""The pages about the token client: each example runs, and the reference agrees with the code."""

import importlib.util
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import issuer.client
from issuer.client import (
    PrivateKey,
    TokenClient,
    agno,
    credentials,
    lifecycle,
    on_behalf_of,
    token_request,
)
from issuer.client.token_client import LONGEST_WAIT
from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import AGNO_3_1
from tests.cli.driver import Cli
from tests.existing_data import use
from tests.how_tos import changing_only
from tests.journeys.running_issuer import REPOSITORY, RunningIssuer, process_environment

pytestmark = pytest.mark.slow

PAGE = "call-an-agentos-from-a-service.md"
HOW_TO = (REPOSITORY / "docs" / "how-to" / PAGE).read_text()
REFERENCE = " ".join((REPOSITORY / "docs" / "reference" / "token-client.md").read_text().split())
EXAMPLE_SERVICE = REPOSITORY / "examples" / "calling_service.py"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", HOW_TO, re.MULTILINE | re.DOTALL)
PRINTED = [
    "pong",
    "['web']",
    "pong",
    "run_agent",
    "invalid_target",
]


@dataclass(frozen=True)
class Deployed:
    """An issuer, an AgentOS that accepts its tokens, and the secret of `ci-bot`."""

    issuer: RunningIssuer
    agent_os: str
    secret: Path


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    folder = tmp_path_factory.mktemp("deployed")
    with RunningIssuer(folder) as issuer:
        use(issuer.deployment)
        client = issuer.deployment.client("ci-bot", scopes=["agents:web:run", "agents:web:read"])
        secret = folder / "ci-bot"
        secret.write_text(f"{client.client_secret}\n")
        settings = {"managed": AppSettings("managed", issuer)}
        with running_apps(AGNO_3_1, folder, settings) as apps:
            yield Deployed(issuer, apps["managed"].url, secret)


@pytest.mark.parametrize(("example", "printed"), [*zip(EXAMPLES, PRINTED, strict=True)])
def test_an_example_prints_what_the_page_says(deployed: Deployed, example: str, printed: str):
    real = {
        "https://id.example": deployed.issuer.url,
        "https://os.example": deployed.agent_os,
        "/run/secrets/ci-bot": str(deployed.secret),
    }
    for name, value in real.items():
        example = example.replace(name, value)
    with changing_only(deployed.issuer.deployment, PAGE):
        done = subprocess.run(
            [sys.executable, "-c", example],
            cwd=deployed.secret.parent,
            env={**process_environment(), "PYTHONPATH": str(REPOSITORY), "AGNO_TELEMETRY": "false"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert printed in done.stdout


def test_its_command_keeps_a_token(deployed: Deployed, tmp_path: Path):
    environment = {**deployed.issuer.environment, "XDG_CACHE_HOME": str(tmp_path)}
    (line,) = re.findall(r"^\$ issuer (.+)$", HOW_TO, re.MULTILINE)
    cli = Cli(environment).with_environment(CLIENT_SECRET=deployed.secret.read_text().strip())
    with changing_only(deployed.issuer.deployment, PAGE):
        token = cli.done(*shlex.split(line))
    assert cli.with_environment(CLIENT_SECRET=None).done(*shlex.split(line)) == token


def test_the_example_service_answers_as_its_agent(
    deployed: Deployed, monkeypatch: pytest.MonkeyPatch
):
    variables = {
        "ISSUER_URL": deployed.issuer.url,
        "AGENT_OS": deployed.agent_os,
        "CLIENT_SECRET_FILE": str(deployed.secret),
        "NO_PROXY": "127.0.0.1",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("calling_service", EXAMPLE_SERVICE)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with TestClient(module.app) as service:
        answers = [service.post("/answers", json={"question": "ping"}) for _ in range(2)]
    assert [each.json() for each in answers] == [{"answer": "pong"}] * 2


@pytest.mark.parametrize("called", [TokenClient, PrivateKey, agno.mcp_headers, agno.remote_agent])
def test_the_reference_names_each_argument(called: object):
    names = set(inspect.signature(called).parameters)  # type: ignore[arg-type]
    assert {name for name in names if name not in REFERENCE} == set()


def test_the_reference_names_each_method_with_its_arguments():
    for name, method in inspect.getmembers(TokenClient, inspect.isfunction):
        if not name.startswith("_") and name != "forget_request":
            assert f"`{name}(" in REFERENCE, name
            if "timeout" in inspect.signature(method).parameters:
                assert re.search(rf"`{name}\([^)]*timeout={LONGEST_WAIT:.0f}\)`", REFERENCE), name


def test_the_reference_names_all_that_the_package_exports():
    assert {name for name in issuer.client.__all__ if f"`{name}" not in REFERENCE} == set()


def test_the_reference_names_the_numbers_of_the_code():
    waits = [0.25 * 2**number for number in range(token_request.ATTEMPTS - 1)]
    said = [
        f"between {lifecycle.RENEWED_FROM:.0%}".rstrip("%"),
        f"and {lifecycle.RENEWED_UNTIL * 100:.0f} %",
        f"until {lifecycle.UNUSED_AT_THE_END * 100:.0f} % of",
        f"at most {lifecycle.UNUSED_SECONDS:.0f} seconds",
        f"one token request in {lifecycle.REPLACED_EVERY:.0f} seconds",
        f"up to {token_request.ATTEMPTS} times, in {token_request.ALL_SECONDS:.0f} seconds",
        f"after about {', '.join(f'{each:g}' for each in waits[:-1])} and {waits[-1]:g} seconds",
        f"attempt may take {token_request.ATTEMPT_SECONDS:.0f} seconds",
        f"more than {token_request.LONGEST_WAIT:.0f} seconds",
        f"for {lifecycle.LONGEST_RETRY_AFTER / 60:.0f} minutes",
        f"up to {lifecycle.LONGEST_PAUSE:.0f} seconds later",
        f"waits up to {agno.SECONDS_IN_EVENT_LOOP:.0f} seconds",
        f"up to {token_request.MAX_BYTES // 1024} KiB",
        f"at most {credentials.LARGEST // 1024} KiB",
        f"The {on_behalf_of.MOST_SUBJECT_TOKENS:,} that were used last",
    ]
    assert [each for each in said if each not in REFERENCE] == []
