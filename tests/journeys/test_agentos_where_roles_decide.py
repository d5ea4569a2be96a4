"""An AgentOS of agno 3.1 that decides by the roles in our tokens, and stores the people in them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import AgentOSServer
from tests.builders import Credentials
from tests.journeys.running_issuer import RunningIssuer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        deployment = issuer.deployment
        deployment.role("osadmin", ["agent_os:admin"])
        with deployment.changing() as work:
            work.audiences.update("my-os", {"include_roles": True, "include_profile": True})
        yield issuer


@pytest.fixture(scope="module")
def app(issuer: RunningIssuer) -> Credentials:
    return issuer.deployment.client("app", grant_types=["password"], user_rights="all")


@pytest.fixture(scope="module")
def agent_os(
    issuer: RunningIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentOSServer]:
    settings = AppSettings("with_roles_and_people", issuer)
    folder: Path = tmp_path_factory.mktemp("agentos")
    with running_apps(AGNO_3_1, folder, {"app": settings}) as apps:
        yield apps["app"].os


def test_people_have_the_names_and_addresses_that_their_tokens_say(
    issuer: RunningIssuer, app: Credentials, agent_os: AgentOSServer
):
    people = {"alice": {"name": "Alice", "email": "a@corp.example"}, "bob": {"name": "Bob"}}
    for username, fields in people.items():
        verified = {"email_verified": True} if "email" in fields else {}
        issuer.deployment.user(username, ["osadmin"], id=f"usr_{username}", **fields, **verified)
        token = issuer.token_endpoint.password(app, username).token
        known = agent_os.get(f"/users/usr_{username}", token).json()
        assert (known["name"], known["email"]) == (fields["name"], fields.get("email"))


def test_a_narrowed_token_of_an_administrator_does_what_its_scopes_allow_at_most(
    issuer: RunningIssuer, app: Credentials, agent_os: AgentOSServer
):
    issuer.deployment.user("carla", ["osadmin"])
    whole = issuer.token_endpoint.password(app, "carla").token
    narrow = issuer.token_endpoint.password(app, "carla", scope="agents:web:read").token
    assert [status(agent_os, whole, *each) for each in REQUESTS] == [200, 200, 200]
    assert [status(agent_os, narrow, *each) for each in REQUESTS] == [403, 403, 403]


REQUESTS = [("GET", "/authz/roles"), ("POST", "/agents/web/runs"), ("GET", "/sessions")]


def status(agent_os: AgentOSServer, token: str, method: str, path: str) -> int:
    form = {"message": "ping", "stream": "false"} if method == "POST" else None
    headers = {"Authorization": f"Bearer {token}"}
    answer: httpx.Response = agent_os.http.request(method, path, data=form, headers=headers)
    return answer.status_code
