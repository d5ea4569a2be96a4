"""Clients without a secret, `token_endpoint_auth_method` `none` (RFC 7591 §2)."""

import pytest

from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver

REFRESH = {"grant_type": "refresh_token", "refresh_token": "unknown"}


@pytest.fixture
def app(deployment: Deployment) -> Credentials:
    return deployment.client(
        "app",
        token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=["https://app.example/callback"],
    )


def test_a_public_client_is_known_by_its_id(app: Credentials, token_endpoint: TokenDriver):
    """RFC 6749 §3.2.1: it then gets as far as its grant."""
    answer = token_endpoint.post(data={**REFRESH, "client_id": app.client_id})
    assert (answer.status, answer.error) == (400, "invalid_grant")


def test_a_client_uses_only_the_method_it_is_registered_for(
    deployment: Deployment, app: Credentials, token_endpoint: TokenDriver
):
    """Neither is told apart from a client that does not exist."""
    service = deployment.client("service", grant_types=["refresh_token"])
    refused = [
        token_endpoint.post(data={**REFRESH, "client_id": "unknown"}),
        token_endpoint.post(data={**REFRESH, "client_id": service.client_id}),
        token_endpoint.post(data=REFRESH, auth=(app.client_id, service.client_secret)),
        token_endpoint.post(data=REFRESH, auth=(app.client_id, "")),
        token_endpoint.post(
            data={**REFRESH, "client_id": app.client_id, "client_secret": service.client_secret}
        ),
        token_endpoint.post(
            data={**REFRESH, "client_id": app.client_id}, headers={"Authorization": "Bearer x"}
        ),
    ]
    assert {seen(answer) for answer in refused} == {(401, "invalid_client")}


def test_a_confidential_client_cannot_leave_out_its_secret(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client()
    with_secret = token_endpoint.client_credentials(client)
    without = token_endpoint.post(
        data={"grant_type": "client_credentials", "client_id": client.client_id}
    )
    assert (with_secret.status, seen(without)) == (200, (401, "invalid_client"))


@pytest.mark.parametrize("grant", ["client_credentials", "password"])
def test_a_public_client_has_no_grant_without_a_sign_in_at_the_issuer(
    app: Credentials, token_endpoint: TokenDriver, grant: str
):
    data = {"grant_type": grant, "client_id": app.client_id, "username": "a", "password": "b"}
    assert token_endpoint.post(data=data).error == "unauthorized_client"


def test_a_disabled_public_client_is_refused(
    deployment: Deployment, app: Credentials, token_endpoint: TokenDriver
):
    request = {**REFRESH, "client_id": app.client_id}
    assert token_endpoint.post(data=request).error == "invalid_grant"
    with deployment.changing() as work:
        work.clients.update(app.client_id, {"disabled": True})
    deployment.services.tokens.changes.poll()
    assert seen(token_endpoint.post(data=request)) == (401, "invalid_client")


def test_introspection_needs_credentials_but_revocation_does_not(
    app: Credentials, token_endpoint: TokenDriver
):
    """RFC 7662 §2.1: else anybody could look for tokens that are active. RFC 7009 §2.1."""
    form = {"token": "unknown", "client_id": app.client_id}
    assert token_endpoint.http.post("/oauth2/introspect", data=form).status_code == 401
    assert token_endpoint.http.post("/oauth2/revoke", data=form).status_code == 200
    metadata = token_endpoint.http.get("/.well-known/oauth-authorization-server").json()
    assert "none" in metadata["token_endpoint_auth_methods_supported"]
    assert "none" in metadata["revocation_endpoint_auth_methods_supported"]
    assert "none" not in metadata["introspection_endpoint_auth_methods_supported"]


def seen(answer: TokenAnswer) -> tuple[int, str]:
    return answer.status, answer.error
