"""`/clients/{client_id}/rotation`, as `issuer client rotate` does it (tests/clients)."""

from collections.abc import Callable

import pytest

from tests.builders import Credentials, Deployment
from tests.drivers import AdminApi, TokenDriver, problem

PATH = "/clients/ci-bot/rotation"


@pytest.fixture
def old(deployment: Deployment) -> Credentials:
    return deployment.client(client_id="ci-bot", audiences=["my-os"])


def secret_ids(admin: AdminApi) -> list[str]:
    return [each["id"] for each in admin.get("/clients/ci-bot/secrets").json()["items"]]


def test_both_secrets_are_valid_until_the_rotation_is_finished(
    admin: AdminApi, old: Credentials, token_endpoint: TokenDriver
):
    started = admin.post(PATH)
    assert started.status_code == 201
    assert started.headers["location"].endswith(PATH)
    new = Credentials("ci-bot", started.json()["client_secret"])
    assert token_endpoint.client_credentials(old).status == 200
    assert token_endpoint.client_credentials(new).status == 200
    finished = admin("POST", f"{PATH}/finish?force=true")
    assert finished.status_code == 200
    assert finished.json()["kept"] == started.json()["id"]
    assert token_endpoint.client_credentials(old).error == "invalid_client"
    assert token_endpoint.client_credentials(new).status == 200


def test_a_rotation_shows_the_last_uses_and_warnings(
    deployment: Deployment, admin: AdminApi, old: Credentials, token_endpoint: TokenDriver
):
    new = admin.post(PATH).json()["id"]
    token_endpoint.client_credentials(old)
    deployment.services.tokens.last_use.write()
    found = admin.get(PATH).json()
    assert found["new"]["id"] == new
    assert found["old"][0]["last_used_at"] is not None
    assert len(found["warnings"]) == 2
    refused = admin.post(f"{PATH}/finish")
    assert problem(refused) == (409, "not-allowed")
    assert found["warnings"][0] in refused.json()["detail"]
    assert len(secret_ids(admin)) == 2


def test_if_match_finishes_only_the_rotation_that_was_read(
    deployment: Deployment, admin: AdminApi, old: Credentials, token_endpoint: TokenDriver
):
    admin.post(PATH)
    seen = admin.get(PATH).headers["etag"]
    token_endpoint.client_credentials(old)
    deployment.services.tokens.last_use.write()
    for method, path in (("POST", f"{PATH}/finish?force=true"), ("DELETE", PATH)):
        refused = admin(method, path, headers={"If-Match": seen})
        assert problem(refused) == (412, "precondition-failed")
    assert len(secret_ids(admin)) == 2


def test_cancelling_deletes_the_new_secret(admin: AdminApi, old: Credentials):
    before = secret_ids(admin)
    admin.post(PATH)
    assert admin.delete(PATH).status_code == 204
    assert secret_ids(admin) == before


@pytest.mark.parametrize(
    ("method", "path"), [("GET", PATH), ("DELETE", PATH), ("POST", f"{PATH}/finish")]
)
def test_a_rotation_that_was_not_started_is_404(
    admin: AdminApi, old: Credentials, method: str, path: str
):
    assert problem(admin(method, path)) == (404, "not-found")


def test_a_second_rotation_is_refused(admin: AdminApi, old: Credentials):
    admin.post(PATH)
    assert problem(admin.post(PATH)) == (409, "not-allowed")
    assert problem(admin.post("/clients/unknown/rotation")) == (404, "not-found")


def test_a_rotation_needs_the_scopes_for_clients(
    holder_of: Callable[..., AdminApi], admin: AdminApi, old: Credentials
):
    reader, other = holder_of("issuer:clients:read"), holder_of("issuer:users:write")
    assert problem(reader.post(PATH)) == (403, "forbidden")
    admin.post(PATH)
    assert reader.get(PATH).status_code == 200
    assert problem(reader.delete(PATH)) == (403, "forbidden")
    assert problem(reader.post(f"{PATH}/finish")) == (403, "forbidden")
    assert problem(other.get(PATH)) == (403, "forbidden")


def test_only_an_admin_rotates_the_secret_of_an_admin(
    holder_of: Callable[..., AdminApi], deployment: Deployment
):
    writer = holder_of("issuer:clients:write")
    assert problem(writer.post(f"/clients/{deployment.admin.client_id}/rotation")) == (
        403,
        "forbidden",
    )
