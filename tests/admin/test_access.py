"""Authorization: only tokens of this issuer, and rights at the issuer only from admins."""

import json
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest

from issuer.clients.client import SecretFields
from issuer.errors import NotAllowed
from tests.builders import PASSWORD, URL, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.escalation import GAINS, KEYS, LAST_ADMIN, WRITE, with_privileged_resources
from tests.interleaving import right_after
from tests.issuers import Arrange, with_my_os
from tests.rows import rows

NEW_PASSWORD = "correct horse battery"


@rows("header", [None, "Bearer", "Bearer x", "Basic eA==", "Bearer a.b.c"])
def test_a_request_without_a_valid_token_is_401(deployment: Deployment, header: str | None):
    """RFC 6750 §3."""
    answer = deployment.http.get(
        "/admin/v1/roles", headers={"Authorization": header} if header else {}
    )
    assert problem(answer) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


def test_of_several_authorization_headers_none_counts(admin: AdminApi, deployment: Deployment):
    valid = ("Authorization", admin.headers["Authorization"])
    answer = deployment.http.get("/admin/v1/roles", headers=[valid, ("Authorization", "Bearer x")])
    assert problem(answer) == (401, "unauthenticated")


@rows("content", [b"{", b"{}", b"x" * (1024 * 1024 + 1)])
def test_the_body_of_an_unauthenticated_request_is_not_parsed(
    deployment: Deployment, content: bytes
):
    """Parsing a megabyte takes time."""
    for method, path in (("POST", "/roles"), ("PATCH", "/clients/issuer-admin")):
        answer = deployment.http.request(
            method,
            f"/admin/v1{path}",
            content=content,
            headers={"Content-Type": "application/json"},
        )
        assert problem(answer) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/users/alice/password", json.dumps({"password": "a password of the attacker"})),
        ("POST", "/roles", json.dumps({"name": "theirs"})),
        ("POST", "/manifest/apply", json.dumps({"roles": [{"name": "theirs"}]})),
    ],
)
@pytest.mark.parametrize("lost", ["disabled", "scopes"])
def test_rights_that_end_while_the_body_comes_do_not_count(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    method: str,
    path: str,
    body: str,
    lost: str,
):
    """A request is not kept open for a time when its caller may do this no more."""
    deployment.user("alice", id="alice")
    resources = ("audiences", "clients", "groups", "roles", "trusted-issuers", "users")
    scopes = [f"issuer:{each}:write" for each in resources]
    client = deployment.client(scopes=scopes, audiences=[URL])
    admin = AdminApi(deployment.http, token_endpoint.client_credentials(client).token)

    def slowly() -> Iterator[bytes]:
        yield body[:3].encode()
        patch = {"disabled": True} if lost == "disabled" else {"scopes": ["issuer:keys:read"]}
        with deployment.changing() as work:
            work.clients.update(client.client_id, patch)
        yield body[3:].encode()

    headers = {"Content-Type": "application/json"}
    answer = admin(method, path, content=slowly(), headers=headers)
    assert answer.status_code == (401 if lost == "disabled" else 403), answer.text


def test_a_token_for_another_audience_is_refused(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(scopes=["agent_os:admin", "issuer:admin"], audiences=["my-os", URL])
    elsewhere = token_endpoint.client_credentials(client, audience="my-os").token
    assert problem(AdminApi(deployment.http, elsewhere).get("/roles")) == (401, "unauthenticated")


def test_agent_os_admin_gives_no_right_at_the_issuer(holder_of: Callable[..., AdminApi]):
    assert problem(holder_of("agent_os:admin").get("/roles")) == (403, "forbidden")


def test_an_expired_token_is_refused(admin: AdminApi, deployment: Deployment):
    deployment.wait(timedelta(seconds=900))
    assert problem(admin.get("/roles")) == (401, "unauthenticated")


def test_an_altered_token_is_refused(admin: AdminApi, deployment: Deployment):
    head, body, signature = admin.headers["Authorization"].removeprefix("Bearer ").split(".")
    for forged in (f"{head}.{body}.", f"{head}.{body}.{signature[::-1]}", f"{head}.{body}"):
        assert problem(AdminApi(deployment.http, forged).get("/roles")) == (401, "unauthenticated")


@pytest.mark.parametrize("loss", ["disable", "delete", "audience", "scopes"])
def test_rights_removed_after_a_token_was_issued_no_longer_apply(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver, loss: str
):
    client = deployment.client("helper", scopes=["issuer:roles:read"], audiences=[URL])
    helper = AdminApi(deployment.http, token_endpoint.client_credentials(client).token)
    assert helper.get("/roles").status_code == 200
    match loss:
        case "disable":
            admin.patch("/clients/helper", disabled=True)
        case "delete":
            admin.delete("/clients/helper")
        case "audience":
            admin.patch("/clients/helper", audiences=[])
        case "scopes":
            admin.patch("/clients/helper", scopes=[])
    assert helper.get("/roles").status_code in {401, 403}


OTHERS = {
    "audiences",
    "trusted-issuers",
    "roles",
    "clients",
    "users",
    "groups",
    "keys",
    "verifiers",
    "audit-events",
}


@rows("resource", sorted(OTHERS - {"audit-events"}))
def test_each_resource_needs_its_own_scope(holder_of: Callable[..., AdminApi], resource: str):
    reader = holder_of(f"issuer:{resource}:read")
    assert reader.get(f"/{resource}").status_code == 200
    for other in OTHERS - {resource}:
        refused = reader.get(f"/{other}")
        assert problem(refused) == (403, "forbidden")
        needed = other.removesuffix("-events")
        assert f'scope="issuer:{needed}:read"' in refused.headers["www-authenticate"]
    writer = holder_of(f"issuer:{resource}:write")
    assert writer.get(f"/{resource}").status_code == 200


def test_read_scopes_do_not_allow_writing(
    holder_of: Callable[..., AdminApi], deployment: Deployment
):
    deployment.role("runner", [])
    reader = holder_of(*(f"issuer:{name}:read" for name in ("audiences", "roles", "clients")))
    assert problem(reader.post("/roles", name="a")) == (403, "forbidden")
    assert problem(reader.patch("/roles/runner", scopes=[])) == (403, "forbidden")
    assert problem(reader.delete("/roles/runner")) == (403, "forbidden")
    assert problem(reader.post("/audiences", id="a")) == (403, "forbidden")
    assert problem(reader.post("/clients", client_id="a")) == (403, "forbidden")


@pytest.fixture
def arrange(request: pytest.FixtureRequest) -> Arrange:
    is_about_privileges = "everything_but_admin" in request.fixturenames
    return with_privileged_resources if is_about_privileges else with_my_os


@pytest.fixture
def everything_but_admin(holder_of: Callable[..., AdminApi]) -> AdminApi:
    """A client with all write scopes, beside resources that hold or grant rights at the issuer."""
    return holder_of(*WRITE)


@pytest.mark.parametrize("way", GAINS)
def test_only_admins_change_what_holds_or_grants_rights_at_the_issuer(
    everything_but_admin: AdminApi, admin: AdminApi, way: str
):
    """Through every operation; an admin may do each of them."""
    gain = GAINS[way]
    refused = everything_but_admin(gain.method, gain.path, **gain.request)
    assert problem(refused) == (403, "forbidden")
    assert "issuer:admin" in refused.json()["detail"]
    assert admin(gain.method, gain.path, **gain.request).status_code < 300


@pytest.mark.parametrize(
    ("method", "path", "members"),
    [
        ("POST", "/clients", {"client_id": "new", "scopes": ["agent_os:admin"]}),
        ("PATCH", "/clients/plain", {"disabled": True}),
        ("POST", "/clients/plain/secrets", {}),
        ("PATCH", "/clients/plain", {"jwks": KEYS}),
        ("PUT", "/clients/plain/roles/plain?everywhere=true", None),
        ("PUT", "/users/bob/password", {"password": "a new password of his"}),
        ("POST", "/users/bob/unlock", None),
        ("POST", "/users/bob/invitation", {}),
        ("DELETE", "/users/bob/factors", None),
        ("DELETE", "/users/bob", None),
        ("PATCH", "/groups/plain-group", {"name": "x"}),
        ("PUT", "/groups/plain-group/members/bob", None),
        ("PUT", "/groups/plain-group/roles/plain?everywhere=true", None),
        ("DELETE", "/groups/plain-group", None),
        ("DELETE", "/roles/plain", None),
    ],
)
def test_changes_without_rights_at_the_issuer_need_no_admin(
    everything_but_admin: AdminApi, method: str, path: str, members: dict[str, Any] | None
):
    request = {} if members is None else {"json": members}
    assert everything_but_admin(method, path, **request).status_code < 300


@rows("name", ["scopes", "scope", "sub", "aud", "client_id", "agno_x"])
def test_custom_claims_cannot_replace_claims_about_rights(admin: AdminApi, name: str):
    refused = admin.post("/clients", client_id="new", claims={name: "issuer:admin"})
    assert problem(refused) == (422, "invalid-fields")


@pytest.mark.parametrize("way", LAST_ADMIN)
def test_the_last_admin_cannot_be_removed(admin: AdminApi, deployment: Deployment, way: str):
    loss = LAST_ADMIN[way]
    assert problem(admin(loss.method, loss.path, **loss.request)) == (409, "not-allowed")
    assert admin.get("/clients/issuer-admin").json()["disabled"] is False
    deployment.role("admins", ["issuer:admin"])
    deployment.client("second", roles=["admins"], audiences=[URL])
    assert admin(loss.method, loss.path, **loss.request).status_code < 300


def test_an_admin_whose_secrets_expire_does_not_count_as_the_last_one(deployment: Deployment):
    """Otherwise there would be no admin once they have expired."""
    deployment.client("second", scopes=["issuer:admin"], audiences=[URL])
    expiring = SecretFields(expires_at=deployment.clock() + timedelta(days=365))
    with deployment.changing() as work:
        (lasting,) = work.clients.secrets("second")
        work.clients.add_secret("second", expiring)
        work.clients.delete_secret("second", lasting.id)
    with pytest.raises(NotAllowed, match="does not expire"), deployment.changing() as work:
        work.clients.delete("issuer-admin")
    with deployment.changing() as work:
        work.clients.add_secret("second", SecretFields())
        work.clients.delete("issuer-admin")


def test_the_only_lasting_secret_of_the_last_admin_cannot_be_deleted(
    admin: AdminApi, deployment: Deployment
):
    (lasting,) = admin.get("/clients/issuer-admin/secrets").json()["items"]
    tomorrow = (deployment.clock() + timedelta(days=1)).isoformat()
    assert admin.post("/clients/issuer-admin/secrets", expires_at=tomorrow).is_success
    only_lasting = f"/clients/issuer-admin/secrets/{lasting['id']}"
    assert problem(admin.delete(only_lasting)) == (409, "not-allowed")
    assert admin.post("/clients/issuer-admin/secrets").is_success
    assert admin.delete(only_lasting).status_code == 204


@pytest.mark.parametrize("more_settings", [{"password_grant": "false"}])
def test_a_user_does_not_count_as_an_admin_without_the_password_grant(
    deployment: Deployment,
):
    deployment.role("admins", ["issuer:admin"])
    deployment.user("alice", id="alice", roles=["admins"])
    deployment.client("console", grant_types=["password"], scopes=["issuer:admin"], audiences=[URL])
    with pytest.raises(NotAllowed), deployment.changing() as work:
        work.clients.delete("issuer-admin")


@pytest.mark.parametrize("more_settings", [{"password_grant": "false"}])
@pytest.mark.parametrize(
    ("client", "user", "counts"),
    [
        ({"user_rights": "all"}, {}, True),
        ({"scopes": ["issuer:admin"]}, {}, True),
        ({"token_endpoint_auth_method": "none", "user_rights": "all"}, {}, True),
        ({}, {}, False),
        ({"user_rights": "all", "disabled": True}, {}, False),
        ({"user_rights": "all", "audiences": ["my-os"]}, {}, False),
        ({"user_rights": "all"}, {"disabled": True}, False),
        ({"user_rights": "all"}, {"password": None}, False),
    ],
)
def test_a_user_who_signs_in_in_a_browser_may_be_the_last_admin(
    deployment: Deployment, client: dict[str, Any], user: dict[str, Any], counts: bool
):
    """Through a client that may have tokens for the issuer, and gives the user that right."""
    deployment.role("admins", ["issuer:admin"])
    deployment.user("alice", roles=["admins"], **user)
    deployment.client(
        "console",
        **{
            "grant_types": ["authorization_code"],
            "redirect_uris": ["https://console.example/"],
            "audiences": [URL],
            **client,
        },
    )
    expected = nullcontext() if counts else pytest.raises(NotAllowed)
    with expected, deployment.changing() as work:
        work.clients.delete("issuer-admin")


def test_the_last_admin_by_role_cannot_lose_it(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("admins", ["issuer:admin"])
    second = deployment.client("second", roles=["admins"], audiences=[URL])
    assert admin.delete("/clients/issuer-admin").status_code == 204
    by_role = AdminApi(deployment.http, token_endpoint.client_credentials(second).token)
    for method, path, members in (
        ("DELETE", "/roles/admins?cascade=true", None),
        ("PATCH", "/roles/admins", {"scopes": []}),
        ("DELETE", "/clients/second/roles/admins?everywhere=true", None),
        ("DELETE", "/clients/second", None),
    ):
        request = {} if members is None else {"json": members}
        assert problem(by_role(method, path, **request)) == (409, "not-allowed")
    secret = by_role.get("/clients/second/secrets").json()["items"][0]["id"]
    assert problem(by_role.delete(f"/clients/second/secrets/{secret}")) == (409, "not-allowed")


def test_a_user_administers_with_the_rights_that_the_client_has_too(
    deployment: Deployment, token_endpoint: TokenDriver
):
    """The intersection, as for every audience."""
    deployment.role("admins", ["issuer:admin"])
    deployment.user("alice", id="alice", roles=["admins"])
    console = deployment.client(
        "console", scopes=["issuer:users:write"], audiences=[URL], grant_types=["password"]
    )
    alice = AdminApi(deployment.http, token_endpoint.password(console, "alice", PASSWORD).token)
    assert alice.post("/users", username="bob").status_code == 201
    assert problem(alice.get("/clients")) == (403, "forbidden")
    with deployment.changing() as work:
        work.users.update("alice", {"disabled": True})
    assert problem(alice.get("/users")) == (401, "unauthenticated")


@pytest.mark.parametrize("lost", [{"disabled": True}, {"scopes": []}])
def test_a_change_that_waited_does_not_count_for_a_caller_who_lost_the_right_meanwhile(
    deployment: Deployment, token_endpoint: TokenDriver, lost: dict[str, Any]
):
    """As while a password is hashed, or while other changes are written."""
    user_id = deployment.user()
    client = deployment.client("helpdesk", scopes=["issuer:users:write"], audiences=[URL])
    helpdesk = AdminApi(deployment.http, token_endpoint.client_credentials(client).token)
    before = helpdesk.get(f"/users/{user_id}").json()

    def lose() -> None:
        with deployment.changing() as work:
            work.clients.update("helpdesk", lost)

    with right_after(deployment, "FROM users", lose):
        refused = helpdesk.put(f"/users/{user_id}/password", json={"password": NEW_PASSWORD})
    assert problem(refused) == (403, "forbidden")
    with deployment.services.administration.reading() as work:
        assert work.users.get(user_id).model_dump(mode="json").items() <= before.items()


def test_every_change_is_audited_with_its_caller_and_request_id(
    admin: AdminApi, deployment: Deployment
):
    created = admin("POST", "/roles", json={"name": "runner"}, headers={"X-Request-Id": "r-1"})
    assert created.headers["x-request-id"] == "r-1"
    (event,) = admin.get("/audit-events?action=role.created").json()["items"]
    assert (event["actor"], event["request_id"]) == (deployment.admin.client_id, "r-1")
