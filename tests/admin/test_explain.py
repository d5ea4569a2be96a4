"""Explaining rights: `/explain`, `/preview`, `/scopes`."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.builders import URL, Deployment
from tests.dpop.proving import ProvingDriver
from tests.drivers import AdminApi, TokenDriver, problem
from tests.oauth.exchanging import EXCHANGE, actors
from tests.rows import rows
from tests.sign_in.authorizing import App, Person

RUN_WEB = {"audience": "my-os", "method": "POST", "path": "/agents/web/runs"}


def explained(admin: AdminApi, **question: Any) -> dict[str, Any]:
    answer = admin.post("/explain", **{**RUN_WEB, **question})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_allowed_request_names_the_scope_and_its_role(admin: AdminApi, deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", roles=["runner"], scopes=["agents:web:run"])
    found = explained(admin, client_id="ci-bot")
    assert found["allowed"] is True
    here = {"scope": found["scope"], "holder": "ci-bot", "audience": None, "through": None}
    assert {**here, "role": "runner", "expires_at": None} in found["via"]
    assert set(found["held"]) == {"agents:run", "agents:web:run"}


def test_a_refused_request_names_the_smallest_addition(admin: AdminApi, deployment: Deployment):
    deployment.client("ci-bot", scopes=["agents:billing:run"])
    found = explained(admin, client_id="ci-bot")
    assert (found["allowed"], found["scope"], found["via"]) == (False, None, [])
    assert found["smallest_addition"] == ["agents:web:run"]


def test_commands_that_would_allow_a_request_are_for_those_who_may_read_roles(
    admin: AdminApi, deployment: Deployment, holder_of: Callable[..., AdminApi]
):
    deployment.role("web-runner", ["agents:web:run"])
    deployment.user("alice", id="alice")
    assign = ["user", "role", "assign", "alice", "web-runner", "--audience", "my-os"]
    assert explained(admin, user_id="alice")["commands"] == [assign]
    assert explained(holder_of("issuer:users:read"), user_id="alice")["commands"] == []


def test_the_explanation_of_a_list_shows_its_ids(admin: AdminApi, deployment: Deployment):
    deployment.client("ci-bot", scopes=["agents:web:read"])
    found = explained(admin, client_id="ci-bot", method="GET", path="/agents")
    assert (found["allowed"], found["listing"]) == (True, ["web"])


def test_a_user_through_a_client_has_the_rights_that_both_have(
    admin: AdminApi, deployment: Deployment
):
    deployment.role("wide", ["agents:run"])
    deployment.user("alice", id="alice", roles=["wide"])
    deployment.client("narrow", scopes=["agents:billing:run"])
    assert explained(admin, user_id="alice")["allowed"] is True
    assert explained(admin, user_id="alice", client_id="narrow")["allowed"] is False


@pytest.fixture
def agents(deployment: Deployment) -> dict[str, Any]:
    """A question: agents may act at archive for people from my-os, for alice through web."""
    deployment.role("wide", ["agents:run"])
    deployment.user("alice", id="alice", roles=["wide"])
    deployment.audience("archive")
    grants = {"grant_types": ["password"]}
    deployment.client("web", scopes=["agents:web:run", "agents:other:run"], **grants)
    rule = [{"from": "my-os", "to": "archive"}]
    scopes = ["agents:web:run", "agents:mail:run"]
    acting = {"grant_types": [EXCHANGE], "may_act": rule}
    deployment.client("agents", audiences=["archive"], scopes=scopes, **acting)
    told = {"user_id": "alice", "client_id": "web", "audience": "my-os"}
    return {"client_id": "agents", "on_behalf_of": told, "audience": "archive"}


def test_a_client_acts_with_what_token_user_and_client_all_hold(
    admin: AdminApi, agents: dict[str, Any]
):
    found = explained(admin, **agents)
    assert (found["allowed"], found["held"]) == (True, ["agents:web:run"])
    assert {each["holder"] for each in found["via"]} == {"agents", "alice", "web"}
    for path in ("/agents/other/runs", "/agents/mail/runs"):
        assert explained(admin, **agents, path=path)["allowed"] is False


def test_a_client_acts_only_where_a_rule_leads(
    admin: AdminApi, deployment: Deployment, agents: dict[str, Any]
):
    with deployment.changing() as work:
        work.clients.update("agents", {"may_act": [{"from": "archive", "to": "archive"}]})
    found = explained(admin, **agents)
    assert (found["allowed"], found["via"]) == (False, [])
    assert found["reason"] == "agents may not act at archive for people from my-os."
    refused = admin.post("/preview", **agents)
    assert problem(refused) == (422, "invalid-fields")
    assert "agents may not act at archive" in refused.text


def test_a_client_acts_only_by_the_grant_type_of_token_exchanges(
    admin: AdminApi, deployment: Deployment, agents: dict[str, Any]
):
    with deployment.changing() as work:
        work.clients.update("agents", {"grant_types": ["client_credentials"]})
    found = explained(admin, **agents)
    assert (found["allowed"], found["via"]) == (False, [])
    assert found["reason"] == "agents does not have the grant type token-exchange."
    assert "the grant type token-exchange" in admin.post("/preview", **agents).text


def test_nobody_acts_at_the_issuer_itself(
    admin: AdminApi, deployment: Deployment, agents: dict[str, Any]
):
    with deployment.changing() as work:
        work.clients.update("web", {"audiences": ["my-os", URL]})
    told = {**agents["on_behalf_of"], "audience": URL}
    found = explained(admin, **{**agents, "on_behalf_of": told})
    assert found["reason"] == (
        "No client acts at the issuer itself for people, or for people from there."
    )


@rows("who", ["agents", "web", "alice"])
def test_nobody_disabled_acts_or_is_acted_for(
    admin: AdminApi, deployment: Deployment, agents: dict[str, Any], who: str
):
    def switch(*, disabled: bool) -> None:
        with deployment.changing() as work:
            resources = work.users if who == "alice" else work.clients
            resources.update(who, {"disabled": disabled})

    switch(disabled=True)
    assert "is disabled" in explained(admin, **agents)["reason"]
    switch(disabled=False)


def test_a_client_acts_for_a_user_who_allowed_it(
    admin: AdminApi, deployment: Deployment, alice: Person, app: App
):
    deployment.audience("archive")
    rule = [{"from": "my-os", "to": "archive"}]
    acting = {"grant_types": [EXCHANGE], "may_act": rule}
    deployment.client("agents", audiences=["archive"], scopes=["agents:run"], **acting)
    told = {"user_id": alice.user_id, "client_id": "app", "audience": "my-os"}
    question = {"client_id": "agents", "on_behalf_of": told, "audience": "archive"}
    assert "has not allowed agents to act at archive" in explained(admin, **question)["reason"]
    alice.allows(app)
    assert explained(admin, **question)["allowed"] is True


def test_explaining_who_acts_needs_the_right_to_read_both(
    holder_of: Callable[..., AdminApi], agents: dict[str, Any]
):
    for scope in ("issuer:clients:read", "issuer:users:read"):
        answer = holder_of(scope).post("/explain", **{**RUN_WEB, **agents})
        assert answer.status_code == 403


@rows(
    "change",
    [
        {"client_id": None},
        {"user_id": "alice"},
        {"token": "x"},
        {"on_behalf_of": {"user_id": "alice"}},
    ],
)
def test_a_question_about_acting_names_client_user_and_audience(
    admin: AdminApi, agents: dict[str, Any], change: dict[str, Any]
):
    asked = {**RUN_WEB, **agents, **change}
    asked = {name: value for name, value in asked.items() if value is not None}
    assert admin.post("/explain", **asked).status_code == 422


def test_a_disabled_client_may_use_only_public_routes(admin: AdminApi, deployment: Deployment):
    deployment.client("ci-bot", scopes=["agents:run"], disabled=True)
    assert explained(admin, client_id="ci-bot")["reason"] == (
        "The client is disabled and gets no token."
    )
    assert explained(admin, client_id="ci-bot", method="GET", path="/health")["allowed"] is True


def test_a_token_is_explained_by_its_own_claims(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot", scopes=["agents:run"])
    token = token_endpoint.client_credentials(client, scope="agents:web:run").token
    assert explained(admin, token=token)["held"] == ["agents:web:run"]
    assert explained(admin, token=token, path="/agents/billing/runs")["allowed"] is False
    refused = admin.post("/explain", **{**RUN_WEB, "token": token, "audience": URL})
    assert problem(refused) == (422, "invalid-fields")
    forged = admin.post("/explain", **RUN_WEB, token=token[:-4] + "AAAA")
    assert problem(forged) == (422, "invalid-fields")


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("POST", "/agents/web/run", "POST /agents/web/runs"),
        ("POST", "/agent/web/runs", "POST /agents/web/runs"),
        ("PUT", "/sessions/1", "GET /sessions/1"),
        ("POST", "/agents/web/launch", None),
    ],
)
def test_an_unknown_route_is_refused_with_a_suggestion(
    admin: AdminApi, deployment: Deployment, method: str, path: str, meant: str | None
):
    deployment.client("ci-bot", scopes=["agent_os:admin"])
    found = explained(admin, client_id="ci-bot", method=method, path=path)
    assert found["allowed"] is False
    assert f"has no route {method} {path}" in found["reason"]
    assert (f"Did you mean {meant}?" in found["reason"]) == (meant is not None)


@pytest.mark.parametrize(
    ("version", "method", "path"),
    [("3.0", "POST", "/knowledge/content/1/refresh"), ("3.1", "GET", "/reports/of/our-own")],
)
def test_an_unguarded_route_is_open_to_every_token(
    admin: AdminApi, deployment: Deployment, version: str, method: str, path: str
):
    """A route of AgentOS that requires no scope, or one of the application."""
    deployment.client("ci-bot")
    found = explained(admin, client_id="ci-bot", method=method, path=path, version=version)
    assert found["allowed"] is True
    assert "any valid token may call it" in found["reason"]


@rows(
    ("question", "answer"),
    [
        ({"client_id": "unknown"}, (404, "not-found")),
        ({"user_id": "unknown"}, (404, "not-found")),
        ({"client_id": "a\0b"}, (404, "not-found")),
        ({}, (422, "invalid-fields")),
        ({"client_id": "issuer-admin", "token": "x"}, (422, "invalid-fields")),
        ({"client_id": "issuer-admin", "audience": "nowhere"}, (422, "invalid-fields")),
        ({"client_id": "issuer-admin", "version": "9.9"}, (422, "invalid-fields")),
        ({"client_id": "issuer-admin", "method": "G T"}, (422, "invalid-fields")),
    ],
)
def test_an_invalid_question_is_a_problem(
    admin: AdminApi, question: dict[str, str], answer: tuple[int, str]
):
    assert problem(admin.post("/explain", **{**RUN_WEB, **question})) == answer


def test_explaining_needs_the_read_scope_for_the_subject(
    holder_of: Callable[..., AdminApi], deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot", scopes=["agents:run"])
    deployment.user("alice", id="alice")
    token = token_endpoint.client_credentials(client).token
    reads_users = holder_of("issuer:users:read")
    assert reads_users.post("/explain", **RUN_WEB, user_id="alice").status_code == 200
    for question in ({"client_id": "ci-bot"}, {"token": token}):
        for path in ("/explain", "/preview"):
            members = {**RUN_WEB, **question} if path == "/explain" else question
            assert problem(reads_users.post(path, **members)) == (403, "forbidden")


def test_a_preview_equals_the_claims_of_the_token(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("ci-bot", scopes=["agents:run"], claims={"tenant": "acme"})
    previewed = admin.post("/preview", client_id="ci-bot", scope=["agents:web:run"])
    answer = token_endpoint.client_credentials(client, scope="agents:web:run")
    issued = token_endpoint.claims(answer)
    assert {**previewed.json()["claims"], "jti": ""} == {**issued, "jti": ""}
    assert previewed.json()["bytes"] == len(answer.token)
    too_much = admin.post("/preview", client_id="ci-bot", scope=["teams:run"])
    assert problem(too_much) == (422, "invalid-fields")


def test_a_preview_equals_the_claims_of_a_token_for_a_code(
    admin: AdminApi, alice: Person, public_app: App
):
    """Through a client with which users have all their rights."""
    subject = {"user_id": alice.user_id, "client_id": "public-app"}
    previewed = admin.post("/preview", **subject, scope=["agents:web:run"]).json()["claims"]
    answer = alice.signs_in_to(public_app, scope="agents:web:run", resource="my-os")
    issued = public_app.endpoint.claims(answer)
    of_one_sign_in = {"jti": "", "sid": ""}
    assert {**previewed, **of_one_sign_in} == {**issued, **of_one_sign_in}
    found = explained(admin, **subject)
    assert found["held"] == ["agents:run", "sessions:read"]
    assert [source["holder"] for source in found["via"]] == [alice.user_id]


def test_a_preview_equals_the_claims_of_an_exchanged_token(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    acting = actors(deployment, token_endpoint)
    told = {"user_id": acting.user_id, "client_id": "app", "audience": "my-os"}
    question = {"client_id": "agent", "on_behalf_of": told, "audience": "archive"}
    previewed = admin.post("/preview", **question).json()
    answer = acting.by_agent(acting.sign_in().token)
    issued = token_endpoint.claims(answer)
    assert issued["act"] == {"sub": "agent"}
    of_one_sign_in = {"jti": "", "sid": ""}
    assert {**previewed["claims"], **of_one_sign_in} == {**issued, **of_one_sign_in}


def test_the_explanation_of_a_bound_token_names_its_key(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    client, proving = deployment.client("ci-bot", scopes=["agents:run"]), ProvingDriver(deployment)
    bound = explained(admin, token=proving.client_credentials(client).token, audience=None)
    assert (bound["allowed"], bound["jkt"]) == (True, proving.key.jkt)
    other = explained(admin, token=token_endpoint.client_credentials(client).token, audience=None)
    assert other["jkt"] is None


def test_a_preview_issues_nothing(admin: AdminApi, deployment: Deployment):
    deployment.client("ci-bot")
    admin.post("/preview", client_id="ci-bot")
    events = admin.get("/audit-events?target=ci-bot&action=token.issued").json()["items"]
    assert events == []


def test_the_catalogue_can_be_read_with_any_scope_of_the_issuer(holder_of: Callable[..., AdminApi]):
    items = holder_of("issuer:keys:read").get("/scopes").json()["items"]
    by_name = {item["scope"]: item for item in items}
    assert by_name["agents:run"]["per_resource"] is True
    assert by_name["agent_os:admin"]["powerful"] is True
    assert problem(holder_of("issuer:keys:read").get("/scopes?version=9.9")) == (
        422,
        "invalid-fields",
    )


def test_likely_mistakes_in_scopes_are_warnings(admin: AdminApi):
    scopes = ["agent:run", "system:read", "agents:run"]
    items = admin.post("/scopes/lint", scopes=scopes).json()["items"]
    codes = {(item["scope"], item["code"]) for item in items}
    assert ("system:read", "old-name") in codes
    assert ("agent:run", "unknown-scope") in codes
    assert (
        admin.post("/roles?allow_unknown_scopes=true", name="odd", scopes=scopes).status_code == 201
    )
