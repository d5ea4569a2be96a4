"""Names of roles in narrowed tokens (`include_roles`): an AgentOS may let them decide."""

import pytest

from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.exchanging import Actors, actors, exchange
from tests.oauth.refreshing import GRANTS


@pytest.fixture
def app(deployment: Deployment) -> Credentials:
    """A client through which alice, an administrator of my-os, has all that she holds."""
    deployment.role("osadmin", ["agent_os:admin", "issuer:keys:read"])
    deployment.role("readers", ["agents:read"])
    deployment.user("alice", roles=["osadmin", "readers"])
    with deployment.changing() as work:
        work.audiences.update("my-os", {"include_roles": True})
    return deployment.client("app", grant_types=GRANTS, user_rights="all")


def named(token_endpoint: TokenDriver, answer: TokenAnswer) -> list[str]:
    roles: list[str] = token_endpoint.claims(answer)["roles"]
    return roles


def test_a_narrowed_token_names_only_roles_that_it_covers(
    token_endpoint: TokenDriver, app: Credentials
):
    whole = token_endpoint.password(app, "alice")
    assert named(token_endpoint, whole) == ["osadmin", "readers"]
    reading = token_endpoint.password(app, "alice", scope="agents:read")
    assert named(token_endpoint, reading) == ["readers"]
    one = token_endpoint.password(app, "alice", scope="agents:web:read")
    assert named(token_endpoint, one) == []


def test_a_refreshed_token_names_no_more_roles_than_its_scopes_cover(
    token_endpoint: TokenDriver, app: Credentials
):
    first = token_endpoint.password(app, "alice")
    narrowed = token_endpoint.refresh(app, first.refresh_token, scope="agents:web:read")
    assert named(token_endpoint, narrowed) == []
    again = token_endpoint.refresh(app, narrowed.refresh_token)
    assert named(token_endpoint, again) == ["osadmin", "readers"]


def test_what_the_client_lacks_keeps_a_role_out(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    narrow = deployment.client("narrow", grant_types=["password"], scopes=["agents:read"])
    assert named(token_endpoint, token_endpoint.password(narrow, "alice")) == ["readers"]
    web = deployment.client("web", grant_types=["password"], scopes=["agents:web:read"])
    assert named(token_endpoint, token_endpoint.password(web, "alice")) == []


def test_an_exchanged_token_names_no_role_that_the_subject_token_did_not_cover(
    deployment: Deployment, token_endpoint: TokenDriver
):
    acting: Actors = actors(deployment, token_endpoint)
    with deployment.changing() as work:
        work.audiences.update("archive", {"include_roles": True})
    narrow = acting.by_agent(acting.sign_in(scope="agents:run").token)
    assert (narrow.scope, named(token_endpoint, narrow)) == ({"agents:run"}, [])
    whole = acting.by_agent(acting.sign_in().token)
    assert named(token_endpoint, whole) == ["runner"]
    asked = exchange(
        token_endpoint, acting.agent, acting.sign_in().token, scope="sessions:read agents:x:run"
    )
    assert named(token_endpoint, asked) == []


def test_at_the_issuer_itself_only_its_own_scopes_count(
    deployment: Deployment, token_endpoint: TokenDriver, app: Credentials
):
    own = "https://id.example"
    with deployment.changing() as work:
        work.audiences.update(own, {"include_roles": True})
        work.clients.update("app", {"audiences": ["my-os", own]})
    answer = token_endpoint.password(app, "alice", audience=own)
    assert (answer.scope, named(token_endpoint, answer)) == ({"issuer:keys:read"}, ["osadmin"])
