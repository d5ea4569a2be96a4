"""Deleting an audience revokes its tokens, even if its id is reused."""

from collections.abc import Callable

import jwt
import pytest

from issuer.agentos.key_set import read_key_set
from issuer.agentos.revocations import RevokedEntries, read_feed
from issuer.agentos.rules import TokenRules, read_unverified
from tests.builders import URL, Credentials, Deployment
from tests.drivers import AdminApi, TokenDriver
from tests.manifest.declaring import declare
from tests.revocations.feed import PATH

Delete = Callable[[Deployment, AdminApi], None]


def over_http(_: Deployment, admin: AdminApi) -> None:
    assert admin.delete("/audiences/my-os").status_code == 409
    answer = admin.delete("/audiences/my-os", params={"cascade": "true"})
    assert answer.status_code == 204


def after_removing_it_from_clients(_: Deployment, admin: AdminApi) -> None:
    admin.patch("/clients/web", audiences=[])
    assert admin.delete("/audiences/my-os").status_code == 204


def by_a_file(deployment: Deployment, admin: AdminApi) -> None:
    admin.patch("/clients/web", audiences=[])
    declare(deployment.services, "audiences: []", prune=True)


@pytest.fixture
def admin(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    return AdminApi(deployment.http, token_endpoint.client_credentials(deployment.admin).token)


@pytest.fixture
def web(deployment: Deployment) -> Credentials:
    deployment.audience("other-os")
    return deployment.client(
        "web", audiences=["my-os"], grant_types=["client_credentials", "password"]
    )


def verifier_refuses(deployment: Deployment, token: str) -> bool:
    """Whether an AgentOS with the current feed refuses the token."""
    keys = read_key_set(deployment.http.get("/.well-known/jwks.json").content, ["ES256"])
    feed, now = deployment.http.get(PATH).content, deployment.clock().timestamp()
    revocations = read_feed(feed, keys, RevokedEntries(), TokenRules(URL, "my-os"), now)
    unverified = read_unverified(token)
    try:
        revocations.refuse(unverified.kid or "", unverified.claims)
    except jwt.InvalidTokenError:
        return True
    return False


@pytest.mark.parametrize("delete", [over_http, after_removing_it_from_clients, by_a_file])
def test_old_tokens_stay_revoked_and_new_ones_are_valid(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    web: Credentials,
    admin: AdminApi,
    delete: Delete,
):
    deployment.user("alice")
    old = [
        token_endpoint.client_credentials(web).token,
        token_endpoint.password(web, "alice").token,
    ]
    assert all(token_endpoint.introspect(web, token)["active"] for token in old)
    delete(deployment, admin)
    assert all(verifier_refuses(deployment, token) for token in old)
    assert admin.post("/audiences", id="my-os").status_code == 201
    assert admin.patch("/clients/web", audiences=["my-os"]).status_code == 200
    for token in old:
        assert token_endpoint.introspect(web, token) == {"active": False}
        assert verifier_refuses(deployment, token)
    new = token_endpoint.client_credentials(web).token
    assert token_endpoint.introspect(web, new)["active"]
    assert not verifier_refuses(deployment, new)


def test_tokens_for_other_audiences_stay_valid(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, admin: AdminApi
):
    admin.patch("/clients/web", audiences=["my-os", "other-os"])
    other = token_endpoint.client_credentials(web, audience="other-os").token
    over_http(deployment, admin)
    assert token_endpoint.introspect(web, other)["active"]
    assert not verifier_refuses(deployment, other)


def test_a_refused_deletion_revokes_no_tokens(
    deployment: Deployment, token_endpoint: TokenDriver, web: Credentials, admin: AdminApi
):
    token = token_endpoint.client_credentials(web).token
    assert admin.delete("/audiences/my-os").status_code == 409
    assert not verifier_refuses(deployment, token)
