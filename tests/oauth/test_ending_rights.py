"""Tokens of clients and users whose rights end: none is valid for longer than what it has."""

from datetime import datetime, timedelta

import pytest

from issuer.explain.explaining import PreviewRequest
from issuer.roles import Assignment
from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.exchanging import actors
from tests.oauth.refreshing import GRANTS

IN_TEN_MINUTES = datetime.fromisoformat("2026-11-25T12:10:00Z")
TEN_MINUTES = timedelta(minutes=10)


def end(
    deployment: Deployment,
    principal_id: str,
    at: datetime | None = IN_TEN_MINUTES,
    role: str = "runner",
    audience: str | None = None,
) -> None:
    """The role is assigned to it until then."""
    with deployment.changing() as work:
        assignment = Assignment(role=role, audience=audience, expires_at=at)
        work.assignments.assign(principal_id, assignment)


def exp(token_endpoint: TokenDriver, answer: TokenAnswer) -> datetime:
    """When the token expires; the response says the same."""
    claims = token_endpoint.claims(answer)
    assert claims["exp"] == claims["iat"] + answer.body["expires_in"]
    return datetime.fromtimestamp(claims["exp"], IN_TEN_MINUTES.tzinfo)


@pytest.fixture
def service(deployment: Deployment) -> Credentials:
    """A client with the lasting role `reader`, and `runner` for ten minutes."""
    deployment.role("runner", ["agents:run"])
    deployment.role("reader", ["agents:read"])
    client = deployment.client("service", roles=["reader"])
    end(deployment, "service")
    return client


def test_a_token_expires_with_the_first_right_that_it_has(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    """Rights that last give the usual lifetime."""
    assert exp(token_endpoint, token_endpoint.client_credentials(service)) == IN_TEN_MINUTES
    reading = token_endpoint.client_credentials(service, scope="agents:read")
    assert reading.body["expires_in"] == 900
    running = token_endpoint.client_credentials(service, scope="agents:web:run")
    assert exp(token_endpoint, running) == IN_TEN_MINUTES


def test_the_same_request_is_answered_without_what_has_ended(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    """Also where the answer before came from memory, and nothing has changed since."""
    for _ in range(3):
        answer = token_endpoint.client_credentials(service)
        assert answer.scope == {"agents:run", "agents:read"}
    deployment.clock.now = IN_TEN_MINUTES - timedelta(milliseconds=1)
    last = token_endpoint.client_credentials(service)
    assert (last.scope, exp(token_endpoint, last)) == (answer.scope, IN_TEN_MINUTES)
    assert last.body["expires_in"] == 1
    deployment.clock.now = IN_TEN_MINUTES
    for _ in range(3):
        answer = token_endpoint.client_credentials(service)
        assert (answer.scope, answer.body["expires_in"]) == ({"agents:read"}, 900)
    asked = token_endpoint.client_credentials(service, scope="agents:run")
    assert asked.error == "invalid_scope"


def test_a_right_that_is_held_twice_ends_with_the_later_one(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    later = IN_TEN_MINUTES + timedelta(minutes=2)
    end(deployment, "service", later, audience="my-os")
    assert exp(token_endpoint, token_endpoint.client_credentials(service)) == later
    end(deployment, "service", None, audience="my-os")
    assert token_endpoint.client_credentials(service).body["expires_in"] == 900


def test_a_wider_right_that_lasts_counts_for_the_narrower_one(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    deployment.role("everything", ["agent_os:admin"])
    end(deployment, "service", None, role="everything")
    assert token_endpoint.client_credentials(service).body["expires_in"] == 900


def test_rights_at_other_audiences_shorten_nothing(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    deployment.audience("archive")
    client = deployment.client("two", audiences=["my-os", "archive"], roles=["reader"])
    end(deployment, "two", audience="archive")
    at_my_os = token_endpoint.client_credentials(client, audience="my-os")
    assert at_my_os.body["expires_in"] == 900
    at_archive = token_endpoint.client_credentials(client, audience="archive")
    assert exp(token_endpoint, at_archive) == IN_TEN_MINUTES


def test_a_role_that_the_token_names_shortens_it(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    """An AgentOS may decide by names of roles."""
    deployment.role("second-reader", ["agents:read"])
    end(deployment, "service", role="second-reader")
    reading = token_endpoint.client_credentials(service, scope="agents:read")
    assert reading.body["expires_in"] == 900
    with deployment.changing() as work:
        work.audiences.update("my-os", {"include_roles": True})
    reading = token_endpoint.client_credentials(service, scope="agents:read")
    assert exp(token_endpoint, reading) == IN_TEN_MINUTES
    deployment.wait(TEN_MINUTES)
    reading = token_endpoint.client_credentials(service)
    assert token_endpoint.claims(reading)["roles"] == ["reader"]


def test_scopes_of_a_client_end_as_well(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client(
        "service",
        scopes=["agents:run", "agents:read"],
        scopes_expire_at={"agents:run": "2026-11-25T12:10:00Z"},
    )
    assert exp(token_endpoint, token_endpoint.client_credentials(client)) == IN_TEN_MINUTES
    deployment.clock.now = IN_TEN_MINUTES
    answer = token_endpoint.client_credentials(client)
    assert (answer.scope, answer.body["expires_in"]) == ({"agents:read"}, 900)


def test_a_token_of_a_user_ends_with_the_rights_of_the_user_and_of_the_client(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    alice = deployment.user("alice", roles=["runner"])
    end(deployment, alice, IN_TEN_MINUTES + timedelta(minutes=2))
    own = deployment.client("own", grant_types=["password"])
    end(deployment, "own")
    assert exp(token_endpoint, token_endpoint.password(own, "alice")) == IN_TEN_MINUTES
    everything = deployment.client("all", grant_types=["password"], user_rights="all")
    end(deployment, "all")
    answer = token_endpoint.password(everything, "alice")
    assert exp(token_endpoint, answer) == IN_TEN_MINUTES + timedelta(minutes=2)


def test_refreshing_goes_on_with_the_rights_that_are_left(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    alice = deployment.user("alice", roles=["reader"])
    group_id = deployment.group("Night shift", [alice])
    end(deployment, group_id)
    app = deployment.client("app", grant_types=GRANTS, user_rights="all")
    signed_in = token_endpoint.password(app, "alice")
    refreshed = token_endpoint.refresh(app, signed_in.refresh_token)
    assert refreshed.scope == {"agents:run", "agents:read"}
    assert exp(token_endpoint, refreshed) == IN_TEN_MINUTES
    deployment.clock.now = IN_TEN_MINUTES
    refreshed = token_endpoint.refresh(app, refreshed.refresh_token)
    assert (refreshed.scope, refreshed.body["expires_in"]) == ({"agents:read"}, 900)


def test_an_exchanged_token_ends_with_all_rights_on_which_it_rests(
    deployment: Deployment, token_endpoint: TokenDriver
):
    acting = actors(deployment, token_endpoint)
    subject = acting.sign_in()
    end(deployment, acting.user_id, IN_TEN_MINUTES, audience="archive")
    assert exp(token_endpoint, acting.by_agent(subject.token)).minute == 15  # held twice
    acting.unassign("runner", acting.user_id)
    end(deployment, acting.user_id, None, audience="my-os")
    deployment.wait(timedelta(seconds=3))
    subject = acting.sign_in()
    assert exp(token_endpoint, acting.by_agent(subject.token)) == IN_TEN_MINUTES
    soon = IN_TEN_MINUTES - timedelta(minutes=5)
    with deployment.changing() as work:
        ends = dict.fromkeys(["agents:run", "sessions:read"], soon.isoformat())
        work.clients.update("agent", {"scopes_expire_at": ends})
    deployment.wait(timedelta(seconds=3))
    assert exp(token_endpoint, acting.by_agent(subject.token)) == soon


def test_introspection_knows_what_has_ended(
    deployment: Deployment, token_endpoint: TokenDriver, service: Credentials
):
    """Also of a token that was issued before its rights had an end."""
    client = deployment.client("lasting", roles=["runner", "reader"])
    token = token_endpoint.client_credentials(client, scope="agents:read").token
    deployment.wait(timedelta(seconds=1))
    end(deployment, "lasting", IN_TEN_MINUTES)
    assert token_endpoint.introspect(client, token) == {"active": False}  # revoked
    deployment.wait(timedelta(seconds=3))
    answer = token_endpoint.client_credentials(client)
    told = token_endpoint.introspect(client, answer.token)
    assert (told["exp"], told["scope"]) == (
        int(IN_TEN_MINUTES.timestamp()),
        "agents:read agents:run",
    )
    deployment.clock.now = IN_TEN_MINUTES
    assert token_endpoint.introspect(client, answer.token) == {"active": False}


def test_the_preview_of_a_token_has_its_end(deployment: Deployment, service: Credentials):
    request = PreviewRequest(client_id="service", audience="my-os")
    preview = deployment.services.administration.explainer.preview(request, deployment.clock())
    assert preview.claims["exp"] == int(IN_TEN_MINUTES.timestamp())
