"""Revoking tokens through the admin API."""

from collections.abc import Callable

import pytest

from tests.builders import URL, Credentials, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.revocations.feed import Feed
from tests.rows import rows


@pytest.fixture
def web(deployment: Deployment) -> Credentials:
    return deployment.client("web", grant_types=["client_credentials", "password"])


@pytest.fixture
def alice(deployment: Deployment) -> str:
    return deployment.user("alice", id="alice")


def is_refused(deployment: Deployment, token: str) -> bool:
    return Feed.of(deployment.http).refuses(token)


def test_all_tokens_of_a_user_can_be_revoked(
    deployment: Deployment,
    admin: AdminApi,
    token_endpoint: TokenDriver,
    web: Credentials,
    alice: str,
):
    token = token_endpoint.password(web, "alice").token
    assert admin("POST", "/users/alice/revoke-tokens").status_code == 204
    assert is_refused(deployment, token)
    assert problem(admin("POST", "/users/unknown/revoke-tokens")) == (404, "not-found")


def test_all_tokens_of_a_client_can_be_revoked(
    deployment: Deployment,
    admin: AdminApi,
    token_endpoint: TokenDriver,
    web: Credentials,
    alice: str,
):
    tokens = [
        token_endpoint.client_credentials(web).token,
        token_endpoint.password(web, "alice").token,
    ]
    etag = admin.get("/clients/web").headers["etag"]
    stale = admin("POST", "/clients/web/revoke-tokens", headers={"If-Match": '"old"'})
    assert problem(stale) == (412, "precondition-failed")
    answer = admin("POST", "/clients/web/revoke-tokens", headers={"If-Match": etag})
    assert answer.status_code == 204
    assert all(is_refused(deployment, token) for token in tokens)
    assert problem(admin("POST", "/clients/unknown/revoke-tokens")) == (404, "not-found")


@pytest.mark.parametrize("member", ["token", "jti"])
def test_one_token_can_be_revoked(
    deployment: Deployment,
    admin: AdminApi,
    token_endpoint: TokenDriver,
    web: Credentials,
    member: str,
):
    answer, other = (token_endpoint.client_credentials(web) for _ in range(2))
    named = answer.token if member == "token" else token_endpoint.claims(answer)["jti"]
    for _ in range(2):
        assert admin.post("/tokens/revoke", **{member: named}).status_code == 204
    assert is_refused(deployment, answer.token)
    assert not is_refused(deployment, other.token)


@rows("members", [{}, {"token": "t", "jti": "j"}, {"token": "a.b.c"}, {"jti": ""}, {"jti": "a b"}])
def test_a_request_must_name_one_token(admin: AdminApi, members: dict[str, str]):
    assert problem(admin.post("/tokens/revoke", **members)) == (422, "invalid-fields")


def test_a_secret_can_be_deleted_with_its_tokens(
    deployment: Deployment, admin: AdminApi, token_endpoint: TokenDriver, web: Credentials
):
    token = token_endpoint.client_credentials(web).token
    first, second = (admin.post("/clients/web/secrets").json()["id"] for _ in range(2))
    assert admin.delete(f"/clients/web/secrets/{first}").status_code == 204
    assert not is_refused(deployment, token)
    with_them = {"params": {"and_its_tokens": "true"}}
    assert admin.delete(f"/clients/web/secrets/{second}", **with_them).status_code == 204
    assert is_refused(deployment, token)


@pytest.mark.parametrize(
    ("scope", "opens"),
    [("issuer:users:write", ["user"]), ("issuer:clients:write", ["client"]), ("issuer:admin", "*")],
)
def test_revoking_a_token_needs_the_write_scope_for_its_subject(
    holder_of: Callable[..., AdminApi],
    token_endpoint: TokenDriver,
    web: Credentials,
    alice: str,
    scope: str,
    opens: list[str],
):
    api = holder_of(scope)
    asked = {
        "client": {"token": token_endpoint.client_credentials(web).token},
        "user": {"token": token_endpoint.password(web, "alice").token},
        "unseen": {"jti": "0" * 32},
    }
    answers = {name: api.post("/tokens/revoke", **body).status_code for name, body in asked.items()}
    assert [name for name, status in answers.items() if status == 204] == (
        list(asked) if opens == "*" else opens
    )
    assert set(answers.values()) <= {204, 403}


def test_only_an_admin_revokes_a_token_for_the_issuer(
    deployment: Deployment, holder_of: Callable[..., AdminApi], token_endpoint: TokenDriver
):
    """Otherwise a caller that may write clients could lock out the admins."""
    api = holder_of("issuer:clients:write", "issuer:users:write")
    admins = token_endpoint.client_credentials(deployment.admin).token
    assert problem(api.post("/tokens/revoke", token=admins)) == (403, "forbidden")
    own = f"/clients/{deployment.admin.client_id}/revoke-tokens"
    assert problem(api("POST", own)) == (403, "forbidden")
    deployment.role("chief", ["issuer:admin"])
    boss = deployment.user("boss", id="boss", roles=["chief"])
    assert problem(api("POST", f"/users/{boss}/revoke-tokens")) == (403, "forbidden")


def test_the_admin_api_refuses_what_was_revoked(
    deployment: Deployment, admin: AdminApi, holder_of: Callable[..., AdminApi]
):
    reader = holder_of("issuer:roles:read")
    token = reader.headers["Authorization"].removeprefix("Bearer ")
    assert reader.get("/roles").status_code == 200
    assert admin.post("/tokens/revoke", token=token).status_code == 204
    assert problem(reader.get("/roles")) == (401, "unauthenticated")


def test_a_client_that_revokes_its_own_tokens_needs_a_new_one(
    deployment: Deployment, holder_of: Callable[..., AdminApi], token_endpoint: TokenDriver
):
    client = deployment.client("chief", scopes=["issuer:admin"], audiences=[URL])
    api = AdminApi(deployment.http, token_endpoint.client_credentials(client).token)
    assert api("POST", "/clients/chief/revoke-tokens").status_code == 204
    assert problem(api.get("/roles")) == (401, "unauthenticated")
    again = AdminApi(deployment.http, token_endpoint.client_credentials(client).token)
    assert again.get("/roles").status_code == 200


def test_a_revocation_is_audited_without_the_token(
    deployment: Deployment,
    admin: AdminApi,
    token_endpoint: TokenDriver,
    web: Credentials,
    alice: str,
):
    token = token_endpoint.client_credentials(web).token
    admin.post("/tokens/revoke", token=token)
    admin("POST", "/clients/web/revoke-tokens")
    admin("POST", "/users/alice/revoke-tokens")
    found = [
        event
        for event in admin.get("/audit-events", params={"limit": 500}).json()["items"]
        if "revoked" in event["action"]
    ]
    assert sorted((each["action"], each["target"]) for each in found) == [
        ("client.tokens_revoked", "web"),
        ("token.revoked", "web"),
        ("user.tokens_revoked", "alice"),
    ]
    assert token not in str(found)
