"""Rights that are given in the console count at once, at the issuer and at an AgentOS."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import AgentOSServer, running_agent_os
from tests.chromium import in_chromium
from tests.inspection.inspected import inspected
from tests.journeys.console.person import PersonAtConsole
from tests.journeys.running_issuer import RunningIssuer, process_environment

pytestmark = in_chromium


@pytest.fixture(scope="module")
def agent_os(
    issuer: RunningIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentOSServer]:
    """`my-os`, with the agents `web` and `billing`."""
    workdir = tmp_path_factory.mktemp("agent-os")
    jwks_file = workdir / "jwks.json"
    jwks_file.write_bytes(issuer.http.get("/.well-known/jwks.json").content)
    with running_agent_os(AGNO_3_1, workdir, jwks_file=jwks_file) as server:
        yield server


def test_a_service_is_given_one_agent_from_nothing(
    person: PersonAtConsole, issuer: RunningIssuer, agent_os: AgentOSServer
):
    inspected(issuer.deployment, agents={"web": "Web search", "billing": "billing"})
    person.open("Roles")
    person.follow("New role")
    person.type(Name="web-runner")
    person.tick("run Web search")
    person.press("Create role")
    assert "Without agents:web:read, lists of agents omit web" in person.screen
    person.press("Create as it is")
    assert "The role web-runner is created." in person.notice
    person.open("Clients")
    person.follow("New client")
    person.type(Id="ci-bot")
    person.tick("my-os")
    person.press("Create client")
    assert person.heading == "The client ci-bot is created."
    environment, curl = person.listings[:2]
    assert pasted(environment, curl)["scope"] == ""
    person.follow("Go to ci-bot")
    person.type(Role="web-runner", At_the_audience="my-os")
    person.press("Assign role")
    assert person.page.get_by_text("ci-bot gains agents:web:run.").is_visible()
    person.press("Assign")
    assert "The role web-runner is assigned to ci-bot" in person.notice
    token = pasted(environment, curl)
    assert token["scope"] == "agents:web:run"
    assert agent_os.may_run(token["access_token"], "web")
    assert not agent_os.may_run(token["access_token"], "billing")


def test_why_a_call_was_refused_is_explained_and_what_is_suggested_allows_it(
    person: PersonAtConsole, issuer: RunningIssuer, agent_os: AgentOSServer
):
    inspected(issuer.deployment, agents={"web": "Web search", "billing": "billing"})
    issuer.deployment.role("clerk", ["agents:web:run"])
    worker = issuer.deployment.client("worker", ["clerk"])
    get_token = issuer.token_endpoint.client_credentials
    assert not agent_os.may_run(get_token(worker).token, "billing")
    person.open("Explain")
    person.type(Client_or_user="worker")
    person.unfold("Or name a request")
    person.type(Path="/agents/billing/runs")
    person.press("Explain this request")
    assert person.notice.strip().startswith("Refused: POST /agents/billing/runs at my-os")
    person.follow_in("Add agents:billing:run to the role clerk, for all who have it.")
    assert person.heading == "Edit clerk"
    person.press("See what changes")
    assert person.row("worker").get_by_text("agents:billing:run").is_visible()
    person.press("Apply this change")
    assert "The role clerk is changed." in person.notice
    person.open("Explain")
    person.type(Client_or_user="worker", May_it="run")
    person.fill("The agent, team or workflow", "billing")
    person.press("Explain")
    assert person.notice.strip().startswith("Allowed")
    assert agent_os.may_run(get_token(worker).token, "billing")


def pasted(environment: str, command: str) -> dict[str, Any]:
    """The JSON that a shell with these variables prints."""
    variables = dict(line.split("=", 1) for line in environment.splitlines())
    done = subprocess.run(
        ["bash", "-c", f"{command} --silent --show-error"],
        env={**process_environment(), **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
