"""A stock AgentOS accepts tokens of our running server and enforces their scopes."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import KeySet

from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import AccessToken
from tests.agentos.releases import SERVER_RELEASES, AgnoRelease
from tests.agentos.running import AgentOSServer, running_agent_os
from tests.builders import Credentials
from tests.journeys.running_issuer import RunningIssuer

PASSWORD_GRANT = {"grant_types": ["password"]}

pytestmark = pytest.mark.slow
numbers = count(1)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        issuer.deployment.audience("your-os")
        yield issuer


@pytest.fixture(scope="module", params=SERVER_RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


@pytest.fixture(scope="module", params=["jwks_file", "verification_keys"])
def agent_os(
    release: AgnoRelease,
    issuer: RunningIssuer,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AgentOSServer]:
    """`my-os`, with the agents `web` and `billing` and our keys in one of two forms."""
    workdir = tmp_path_factory.mktemp(str(release))
    keys = published_keys(issuer, request.param, workdir)
    with running_agent_os(release, workdir, **keys) as server:
        yield server


def published_keys(issuer: RunningIssuer, given_as: str, workdir: Path) -> dict[str, Any]:
    """Our key set as arguments of `running_agent_os`."""
    published = issuer.http.get("/.well-known/jwks.json")
    if given_as == "verification_keys":
        keys = KeySet.import_key_set(published.json())
        return {"pems": [key.as_pem(private=False).decode() for key in keys]}
    path = workdir / "jwks.json"
    path.write_bytes(published.content)
    return {"jwks_file": path}


def test_a_client_may_do_only_what_its_scopes_allow(agent_os: AgentOSServer, issuer: RunningIssuer):
    client = issuer.deployment.client(scopes=["agents:web:run", "agents:web:read"])
    token = issuer.token_endpoint.client_credentials(client).token
    assert agent_os.may_run(token, "web")
    assert not agent_os.may_run(token, "billing")
    assert agent_os.list_agents(token) == {"web"}
    assert agent_os.run_team(token, "support").status_code == 403
    assert agent_os.run_workflow(token, "intake").status_code == 403
    for path in ("/sessions", "/config", "/teams", "/memories"):
        assert agent_os.get(path, token).status_code == 403, path


def test_a_user_may_do_what_both_user_and_client_may(
    agent_os: AgentOSServer, issuer: RunningIssuer
):
    """`agents:run` and `agents:web:run` have `agents:web:run` in common."""
    client = issuer.deployment.client(scopes=["agents:web:run", "agents:read"], **PASSWORD_GRANT)
    role = issuer.deployment.role(new_name(), ["agents:run", "agents:read", "sessions:read"])
    username = new_name()
    user_id = issuer.deployment.user(username, roles=[role])
    token = issuer.token_endpoint.password(client, username).token
    assert agent_os.run(token, "web").json()["user_id"] == user_id
    assert not agent_os.may_run(token, "billing")
    assert agent_os.list_agents(token) == {"web", "billing"}
    assert agent_os.get("/sessions", token).status_code == 403


def test_a_token_with_fewer_scopes_allows_less(agent_os: AgentOSServer, issuer: RunningIssuer):
    """RFC 6749 §3.3."""
    client = issuer.deployment.client(scopes=["agent_os:admin"])
    endpoint = issuer.token_endpoint
    wide = endpoint.client_credentials(client).token
    narrow = endpoint.client_credentials(client, scope="agents:billing:run").token
    assert agent_os.get("/config", wide).status_code == 200
    assert agent_os.may_run(wide, "web")
    assert agent_os.get("/config", narrow).status_code == 403
    assert agent_os.may_run(narrow, "billing")
    assert not agent_os.may_run(narrow, "web")


def test_a_token_without_scopes_allows_nothing(agent_os: AgentOSServer, issuer: RunningIssuer):
    """The client requests no scope and has none."""
    token = issuer.token_endpoint.client_credentials(issuer.deployment.client()).token
    assert agent_os.run(token, "web").status_code == 403
    assert agent_os.get("/agents", token).status_code == 403


def test_a_token_for_another_audience_is_refused(agent_os: AgentOSServer, issuer: RunningIssuer):
    audiences = ["my-os", "your-os"]
    client = issuer.deployment.client(scopes=["agent_os:admin"], audiences=audiences)
    mine, yours = (
        issuer.token_endpoint.client_credentials(client, audience=audience).token
        for audience in audiences
    )
    assert agent_os.run(mine, "web").status_code == 200
    assert agent_os.run(yours, "web").status_code == 401


def test_an_expired_token_is_refused(agent_os: AgentOSServer, issuer: RunningIssuer):
    """Both are signed with the active key; AgentOS has a leeway of ten seconds."""
    client = issuer.deployment.client(scopes=["agents:run"], access_token_ttl=1800)
    valid = minted_ago(issuer, client, timedelta(seconds=1800 - 60))
    ended = minted_ago(issuer, client, timedelta(seconds=1800 + 60))
    assert agent_os.run(valid, "web").status_code == 200
    answer = agent_os.run(ended, "web")
    assert (answer.status_code, answer.json()["detail"]) == (401, "Token has expired")


def test_a_session_bound_to_the_token_is_that_of_the_run(
    agent_os: AgentOSServer, issuer: RunningIssuer
):
    client = issuer.deployment.client(scopes=["agents:run"], may_set_session=True)
    token = issuer.token_endpoint.client_credentials(client, session_id="ses_1").token
    assert agent_os.run(token, "web").json()["session_id"] == "ses_1"


def minted_ago(issuer: RunningIssuer, client: Credentials, ago: timedelta) -> str:
    """A token that the server would have issued then, but signed with the active key."""
    services = issuer.deployment.services
    principal = services.tokens.directory.load_client(client.client_id)
    assert principal is not None
    authorization = Authorization.of_client(principal, principal.audiences["my-os"])
    token = services.tokens.issuer.issue(authorization, services.clock() - ago)
    assert isinstance(token, AccessToken)
    return token.token


def new_name() -> str:
    return f"name-{next(numbers)}"
