"""What the admin API says where somebody gets rights at the issuer."""

from collections.abc import Callable

import pytest

from issuer.admin.refusals import problem_of
from issuer.authority import GivenCredential
from issuer.authority.credentials import CredentialsNotKept
from tests.builders import PASSWORD, URL, Deployment
from tests.drivers import AdminApi

HELPDESK = ("issuer:clients:write", "issuer:users:write", "issuer:roles:write")


@pytest.fixture
def helpdesk(deployment: Deployment, holder_of: Callable[..., AdminApi]) -> AdminApi:
    deployment.role("administrator", ["issuer:admin"])
    deployment.role("later", ["agents:run"])
    deployment.client("ci", roles=["later"])
    deployment.user("alice", id="alice", password=None, roles=["later"])
    return holder_of(*HELPDESK)


def test_the_refusal_lists_the_credentials_and_the_repeated_request_confirms_them(
    admin: AdminApi, helpdesk: AdminApi
):
    secret = helpdesk.post("/clients/ci/secrets", label="mine").json()["id"]
    for method, path, body in (
        ("PATCH", "/clients/ci", {"audiences": ["my-os", URL]}),
        ("PATCH", "/roles/later", {"scopes": ["issuer:keys:read"]}),
        ("PUT", "/clients/ci/roles/administrator?everywhere=true", {}),
    ):
        refused = admin(method, path, json=body)
        assert refused.status_code == 409, refused.text
        problem = refused.json()
        assert problem["type"] == "urn:agentos-issuer:problem:credentials-not-kept"
        (credential,) = problem["credentials"]
        assert credential.items() >= {"kind": "secret", "id": secret, "name": "mine"}.items()
        assert credential["client_id"] == "ci"
        assert credential["given_by"].startswith("client-")
    body = {"keep_credentials": [secret]}
    kept = admin.put("/clients/ci/roles/administrator?everywhere=true", json=body)
    assert kept.status_code == 204, kept.text


def test_the_refusal_says_how_many_credentials_it_leaves_out():
    given = [GivenCredential("secret", str(each), "", "ci", None) for each in range(120)]
    members = problem_of(CredentialsNotKept(given)).members
    assert (len(members["credentials"]), members["more_errors"]) == (100, 20)
    assert "more_errors" not in problem_of(CredentialsNotKept(given[:100])).members


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/clients/ci", {"audiences": ["my-os", URL]}),
        ("/roles/later", {"scopes": ["issuer:keys:read"]}),
    ],
)
def test_a_patch_takes_confirmations_and_the_resource_has_no_such_member(
    admin: AdminApi, helpdesk: AdminApi, path: str, body: dict[str, object]
):
    secret_id = helpdesk.post("/clients/ci/secrets").json()["id"]
    etag = admin.get(path).headers["etag"]
    wrong = admin.patch(path, **body, keep_credentials="all")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "keep_credentials")
    kept = admin.patch(path, etag, **body, keep_credentials=[secret_id])
    assert kept.status_code == 200, kept.text
    assert "keep_credentials" not in kept.json()
    assert kept.headers["etag"] == admin.get(path).headers["etag"]


def test_a_manifest_takes_confirmations_as_a_parameter(admin: AdminApi, helpdesk: AdminApi):
    ids = [helpdesk.post("/clients/ci/secrets").json()["id"] for _ in range(2)]
    roles = {"roles": [{"name": "later", "scopes": ["issuer:keys:read"]}]}
    refused = admin("POST", "/manifest/apply", json=roles)
    assert refused.status_code == 409
    assert {each["id"] for each in refused.json()["credentials"]} == {*ids}
    kept = admin("POST", f"/manifest/apply?keep_credentials={','.join(ids)}", json=roles)
    assert kept.status_code == 200, kept.text


def test_an_assignment_needs_no_body(admin: AdminApi, helpdesk: AdminApi):
    path = "/users/alice/roles/administrator?everywhere=true"
    assert admin.put(path).status_code == 204
    assert admin.put(path, json={"keep_credential": []}).status_code == 422
    typed = admin.put(path, content=b"x", headers={"Content-Type": "text/plain"})
    assert typed.status_code == 415


def test_a_change_that_leaves_somebody_without_a_way_in_warns(admin: AdminApi, helpdesk: AdminApi):
    assert helpdesk.put("/users/alice/password", json={"password": PASSWORD}).status_code == 204
    changed = admin.patch("/roles/later", scopes=["issuer:keys:read"])
    assert changed.status_code == 200
    (warning,) = (each for each in changed.json()["warnings"] if "alice" in each)
    assert "cannot sign in" in warning
    event = admin.get("/audit-events?action=user.access_ended").json()["items"][0]
    assert event["target"] == "alice"
    assert event["details"]["given_by"]["password"].startswith("client-")


def test_a_new_client_or_role_takes_confirmations(admin: AdminApi, helpdesk: AdminApi):
    for path, body in (("/clients", {"client_id": "new"}), ("/roles", {"name": "new"})):
        made = admin.post(path, **body, keep_credentials=[])
        assert made.status_code == 201, made.text
        assert "keep_credentials" not in made.json()


def test_the_refusal_lists_members_and_the_repeated_request_confirms_them(
    admin: AdminApi, holder_of: Callable[..., AdminApi], helpdesk: AdminApi, deployment: Deployment
):
    deployment.group("Plain", roles=["later"], id="plain")
    assert holder_of("issuer:groups:write").put("/groups/plain/members/alice").status_code == 204
    etag = admin.get("/roles/later").headers["etag"]
    manifest = {"roles": [{"name": "later", "scopes": ["issuer:keys:read"]}]}
    for method, path, body in (
        ("PATCH", "/roles/later", {"scopes": ["issuer:keys:read"]}),
        ("PUT", "/groups/plain/roles/administrator?everywhere=true", {}),
        ("POST", "/manifest/apply", manifest),
    ):
        refused = admin(method, path, json=body)
        assert refused.status_code == 409, refused.text
        problem = refused.json()
        assert problem["type"] == "urn:agentos-issuer:problem:members-not-kept"
        (member,) = problem["members"]
        assert member.items() >= {"group_id": "plain", "user_id": "alice"}.items()
        assert member["given_by"].startswith("client-")
    assert admin.get("/roles/later").headers["etag"] == etag
    plan = admin("POST", "/manifest/plan", json=manifest).json()
    assert [each["user_id"] for each in plan["members"]] == ["alice"]
    kept = admin("POST", "/manifest/apply?keep_members=alice", json=manifest)
    assert kept.status_code == 200, kept.text
    path = "/groups/plain/roles/administrator?everywhere=true"
    assert admin.put(path, json={"keep_members": ["alice"]}).status_code == 204
