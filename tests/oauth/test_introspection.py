"""The introspection endpoint (RFC 7662)."""

from datetime import timedelta

import pytest

from issuer.audit import Actor
from issuer.composition import compose
from issuer.refresh_tokens import TokenToStore
from issuer.roles import Assignment
from issuer.tokens.authorization import Authorization
from tests.builders import OPERATOR, URL, Credentials, Deployment, FakeClock
from tests.directory.test_directory import statements
from tests.drivers import TokenDriver
from tests.oauth.refreshing import GRANTS, SignedIn, in_a_family, sign_in
from tests.rows import rows
from tests.sign_in.people import People

INACTIVE = {"active": False}
DAY = timedelta(days=1)


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenDriver) -> SignedIn:
    return sign_in(deployment, token_endpoint)


def test_a_client_may_introspect_its_own_access_token(alice: SignedIn):
    """RFC 7662 §2.2."""
    claims = alice.endpoint.claims(alice.answer)
    assert alice.introspect(alice.answer.token) == {
        "active": True,
        "scope": "agents:run sessions:read",
        "client_id": "app",
        "username": "alice",
        "token_type": "Bearer",
        "sub": alice.user_id,
        **{name: claims[name] for name in ("exp", "iat", "aud", "iss", "jti", "sid")},
    }


def test_a_client_token_has_no_username(deployment: Deployment, token_endpoint: TokenDriver):
    client = deployment.client(may_set_session=True)
    answer = token_endpoint.client_credentials(client, session_id="one")
    response = token_endpoint.introspect(client, answer.token)
    assert (response["sub"], response["client_id"]) == (client.client_id, client.client_id)
    assert response["session_id"] == "one"
    assert "username" not in response


def test_roles_of_the_token_are_returned(deployment: Deployment, token_endpoint: TokenDriver):
    deployment.audience("with-roles", include_roles=True)
    deployment.role("runner", ["agents:run"])
    client = deployment.client(audiences=["with-roles"], roles=["runner"])
    answer = token_endpoint.client_credentials(client)
    assert token_endpoint.introspect(client, answer.token)["roles"] == ["runner"]


def test_a_role_is_returned_only_while_all_of_it_is_held(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Who reads the answer may let roles decide, as `scope` is what is held now."""
    deployment.audience("with-roles", include_roles=True)
    for role in ("runner", "reader", "writer"):
        deployment.role(role, [f"agents:{role}"])
    grants = {"audiences": ["with-roles"], "grant_types": ["password"], "user_rights": "all"}
    app, user_id = deployment.client("app", **grants), deployment.user("alice", ["runner"])
    service = deployment.client(audiences=["with-roles"], roles=["reader", "writer"])
    of_user = token_endpoint.password(app, "alice").token
    of_client = token_endpoint.client_credentials(service).token
    with deployment.changing() as work:
        work.assignments.unassign(user_id, Assignment(role="runner"))
        work.roles.update("writer", {"scopes": ["agents:writer", "sessions:write"]})
    assert token_endpoint.introspect(app, of_user)["roles"] == []
    answer = token_endpoint.introspect(service, of_client)
    assert (answer["scope"], answer["roles"]) == ("agents:reader agents:writer", ["reader"])


def test_a_client_may_introspect_its_own_refresh_token(alice: SignedIn):
    now = alice.deployment.clock()
    response = alice.introspect(alice.answer.refresh_token)
    assert response == {
        "active": True,
        "scope": "agents:run sessions:read",
        "client_id": "app",
        "username": "alice",
        "token_type": "refresh_token",
        "sub": alice.user_id,
        "aud": "my-os",
        "iss": URL,
        "iat": int(now.timestamp()),
        "exp": int((now + 14 * DAY).timestamp()),
    }


def test_introspection_neither_uses_nor_revokes_a_token(alice: SignedIn):
    alice.introspect(alice.answer.refresh_token)
    successor = alice.refresh()
    assert successor.status == 200
    assert alice.introspect(alice.answer.refresh_token) == INACTIVE
    assert alice.introspect(successor.refresh_token)["active"]


def test_a_token_of_another_client_is_inactive(alice: SignedIn):
    """RFC 7662 §2.2: the same response as for an unknown token."""
    other = alice.deployment.client("other", scopes=["agents:run"], grant_types=GRANTS)
    for token in (alice.answer.token, alice.answer.refresh_token, "x"):
        assert alice.endpoint.introspect(other, token) == INACTIVE


@pytest.mark.parametrize("scope", ["issuer:introspect", "issuer:admin"])
@pytest.mark.parametrize("how", ["directly", "by a role"])
def test_a_client_with_issuer_introspect_may_introspect_any_token(
    alice: SignedIn, scope: str, how: str
):
    fields = {"scopes": [scope]} if how == "directly" else {"roles": ["asking"]}
    alice.deployment.role("asking", [scope])
    asking = alice.deployment.client("asking", audiences=[URL], **fields)
    for token in (alice.answer.token, alice.answer.refresh_token):
        assert alice.endpoint.introspect(asking, token)["active"]


@pytest.mark.parametrize(
    "fields",
    [
        {"audiences": [URL], "scopes": ["issuer:audit:read"]},
        {"audiences": ["my-os"], "scopes": ["issuer:introspect", "agent_os:admin"]},
    ],
)
def test_issuer_introspect_applies_at_the_issuers_own_audience_only(
    alice: SignedIn, fields: dict[str, list[str]]
):
    asking = alice.deployment.client("asking", **fields)
    assert alice.endpoint.introspect(asking, alice.answer.token) == INACTIVE


def test_an_expired_token_is_inactive(alice: SignedIn):
    alice.deployment.wait(timedelta(minutes=15))
    assert alice.introspect(alice.answer.token) == INACTIVE
    alice.deployment.wait(14 * DAY)
    assert alice.introspect(alice.answer.refresh_token) == INACTIVE


def test_a_refresh_token_of_the_password_grant_is_inactive_beside_a_second_factor(
    alice: SignedIn, clock: FakeClock
):
    """The password alone does not prove enough any more."""
    People(alice.deployment, clock).app_of(alice.user_id)
    assert alice.introspect(alice.answer.refresh_token) == INACTIVE
    assert alice.refresh().error == "invalid_grant"


def test_a_revoked_token_is_inactive(alice: SignedIn):
    successor = alice.refresh()
    alice.endpoint.revoke(alice.client, alice.answer.token)
    assert alice.introspect(alice.answer.token) == INACTIVE
    assert alice.introspect(successor.token)["active"]
    alice.endpoint.revoke(alice.client, successor.refresh_token)
    assert alice.introspect(successor.token) == INACTIVE
    assert alice.introspect(successor.refresh_token) == INACTIVE


def test_a_token_that_was_introspected_is_inactive_once_its_key_is_revoked(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    answer = token_endpoint.client_credentials(client)
    header, _ = token_endpoint.read(answer)
    assert token_endpoint.introspect(client, answer.token)["active"]
    with deployment.changing() as work:
        work.keys.revoke(header["kid"])
    assert token_endpoint.introspect(client, answer.token) == INACTIVE


def test_for_tokens_of_clients_only_the_change_counters_are_read(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    token = token_endpoint.client_credentials(client).token
    with statements(deployment) as seen:
        assert token_endpoint.introspect(client, token)["active"]
        assert token_endpoint.introspect(client, token + "x") == INACTIVE
    assert seen == []


def test_a_revocation_by_another_process_applies_at_once(
    deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    client = deployment.client("ci-bot")
    token = token_endpoint.client_credentials(client).token
    assert token_endpoint.introspect(client, token)["active"]
    elsewhere = compose(deployment.services.settings, clock)
    with elsewhere.administration.changing(OPERATOR) as work:
        work.clients.revoke_tokens("ci-bot")
    elsewhere.database.dispose()
    assert token_endpoint.introspect(client, token) == INACTIVE


def test_tokens_of_a_disabled_or_deleted_user_are_inactive(alice: SignedIn):
    with alice.deployment.changing() as work:
        work.users.update(alice.user_id, {"disabled": True})
    for token in (alice.answer.token, alice.answer.refresh_token):
        assert alice.introspect(token) == INACTIVE
    with alice.deployment.changing() as work:
        work.users.delete(alice.user_id)
    assert alice.introspect(alice.answer.token) == INACTIVE


def test_tokens_of_a_disabled_client_are_inactive(
    deployment: Deployment, token_endpoint: TokenDriver
):
    alice = sign_in(deployment, token_endpoint)
    admin = deployment.admin
    assert token_endpoint.introspect(admin, alice.answer.token)["active"]
    with deployment.changing() as work:
        work.clients.update("app", {"disabled": True})
    for token in (alice.answer.token, alice.answer.refresh_token):
        assert token_endpoint.introspect(admin, token) == INACTIVE


def test_a_removed_scope_is_not_returned(alice: SignedIn):
    with alice.deployment.changing() as work:
        work.assignments.unassign(alice.user_id, Assignment(role="runner"))
    for token in (alice.answer.token, alice.answer.refresh_token):
        assert alice.introspect(token)["scope"] == ""


@rows(
    "token",
    [
        "x",
        "..",
        "a.b.c",
        "airt_",
        "airt_" + "0" * 73,
        "e30.e30.e30",
        "W" * 12_000 + ".e30.x",
        "W1tb" * 3_500 + ".e30.x",
        "é",
        "\U0001f511" * 100,
    ],
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_string_that_is_not_a_token_is_inactive(
    deployment: Deployment, token_endpoint: TokenDriver, token: str
):
    assert token_endpoint.introspect(deployment.client(), token) == INACTIVE


def test_it_accepts_what_the_token_endpoint_accepts(deployment: Deployment):
    """RFC 7662 §2.1: the same client authentication, and the same bounds."""
    client: Credentials = deployment.client()
    post, path = deployment.http.post, "/oauth2/introspect"
    form, auth = {"token": "x"}, (client.client_id, client.client_secret)
    answer = post(path, data=form, auth=auth)
    assert (answer.status_code, answer.json()) == (200, INACTIVE)
    assert answer.headers["cache-control"] == "no-store"
    hinted = post(path, data={**form, "token_type_hint": "anything"}, auth=auth)
    assert hinted.json() == INACTIVE
    for wrong in ((client.client_id, "wrong"), ("unknown", "wrong")):
        answer = post(path, data=form, auth=wrong)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert post(path, data=form).status_code == 401
    assert post(path, data={}, auth=auth).json()["error"] == "invalid_request"
    assert post(path, data={"token": "x" * 20_000}, auth=auth).status_code == 413
    assert deployment.http.get(path).status_code == 405


@pytest.mark.parametrize(
    "more_settings", [{"password_grant": "false"}, {"second_factor": "required"}], ids=str
)
def test_without_the_grant_no_refresh_token_is_active(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """Tokens issued before the grant was turned off are inactive as well."""
    services, client = deployment.services, deployment.client("app", grant_types=GRANTS)
    user = services.tokens.directory.load_user(deployment.user("alice"))
    app = services.tokens.directory.load_client("app")
    authorization = in_a_family(
        deployment, Authorization.of_user(user, app, app.audiences["my-os"])
    )
    issue = TokenToStore(
        services.tokens.issuer.issue(authorization, deployment.clock()), Actor("app"), {}
    )
    token = services.tokens.refresh_tokens.begin(user, authorization, issue)
    assert token_endpoint.refresh(client, token).error == "invalid_grant"
    assert token_endpoint.introspect(client, token) == INACTIVE
    assert token_endpoint.introspect(client, issue.access_token.token)["active"]
