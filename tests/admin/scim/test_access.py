"""Who may use SCIM: the scope `issuer:scim`, which never reaches rights at the issuer itself."""

import base64
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from issuer.scopes import ISSUER_SCIM
from tests.admin.scim.driver import MEDIA_TYPE, PATCH, Scim, refused, scim_of
from tests.builders import URL, Credentials, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.oauth.asserting import ask
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.trusting import OtherIssuer, trusted

BOB = {"userName": "bob"}
DISABLE = {"op": "replace", "path": "active", "value": False}


@rows("header", [None, "Bearer x", "Basic eA==", "Basic eDp5"])
def test_a_request_without_a_valid_token_is_401(deployment: Deployment, header: str | None):
    """RFC 7644 §2, RFC 6750 §3.1: both schemes are named, and an error only of a bearer token."""
    headers = {"Authorization": header} if header else {}
    for method, path in (("GET", "/Users"), ("POST", "/Users"), ("GET", "/ServiceProviderConfig")):
        answer = deployment.http.request(method, f"/scim/v2{path}", headers=headers)
        assert refused(answer) == (401, None)
        invalid = ', error="invalid_token"' if header == "Bearer x" else ""
        both = f'Bearer realm="issuer"{invalid}, Basic realm="issuer"'
        assert answer.headers["www-authenticate"] == both


def test_other_scopes_open_nothing(deployment: Deployment, token_endpoint: TokenDriver):
    scopes = ["issuer:users:write", "issuer:groups:write", "issuer:audit:read"]
    answer = scim_of(deployment, token_endpoint, *scopes).get("/Users")
    assert refused(answer) == (403, None)
    assert 'scope="issuer:scim"' in answer.headers["www-authenticate"]


def test_the_scope_opens_nothing_else(
    deployment: Deployment, token_endpoint: TokenDriver, holder_of: Callable[..., AdminApi]
):
    provisioning = holder_of(ISSUER_SCIM)
    for path in ("/users", "/groups", "/roles", "/scopes", "/status", "/audit-events"):
        assert problem(provisioning.get(path)) == (403, "forbidden"), path
    assert problem(provisioning.post("/users", username="new")) == (403, "forbidden")


class TestAsAWorkload:
    """Microsoft Entra provisions with a token of its own in place of a secret."""

    TENANT = "8f7e2b1c-5d4a-4c3b-9a8f-1e2d3c4b5a69"
    AUDIENCE = "api://2f6d0c1e-7b8a-4d5c-9e0f-3a4b5c6d7e8f"

    @pytest.fixture
    def entra(self, deployment: Deployment) -> OtherIssuer:
        entra = OtherIssuer.new(f"https://login.microsoftonline.com/{self.TENANT}/v2.0")
        trusted(deployment, entra, id="entra")
        trust = {"subject": "provisioning", "audience": self.AUDIENCE}
        trust |= {"issuer": "entra", "claims": {"tid": self.TENANT}}
        deployment.client(
            "idp",
            scopes=[ISSUER_SCIM],
            audiences=[URL],
            trusts=[trust],
            access_token_ttl=3_600,
        )
        return entra

    def token(self, deployment: Deployment, entra: OtherIssuer, **changed: Any) -> str:
        """As Entra signs them."""
        now = deployment.clock().timestamp()
        claims = {"sub": "provisioning", "aud": self.AUDIENCE, "tid": self.TENANT, "ver": "2.0"}
        claims |= {"nbf": int(now) - 300, "exp": int(now) + 3_600, **changed}
        return entra.token(now, {"typ": "JWT"}, **claims)

    def test_scim_is_read_as_the_scope_of_the_issuer(
        self, deployment: Deployment, entra: OtherIssuer, token_endpoint: TokenDriver
    ):
        assertion = self.token(deployment, entra)
        answer = ask(token_endpoint, assertion, client_id="idp", scope="scim")
        assert answer.status == 200, answer.body
        assert (answer.body["scope"], answer.body["expires_in"]) == (ISSUER_SCIM, 3_600)
        assert Scim(deployment.http, answer.token)("POST", "/Users", json=BOB).status_code == 201

    def test_explain_says_which_rule_a_token_of_it_breaks(
        self, deployment: Deployment, entra: OtherIssuer
    ):
        assertions = deployment.services.administration.client_assertions
        for changed, rule in (
            ({}, None),
            ({"sub": "other"}, "sub is not the subject of the trust"),
            ({"aud": URL}, "aud does not hold the audience of the trust"),
            ({"tid": "other"}, "the claim tid is another"),
        ):
            found = assertions.explained("idp", self.token(deployment, entra, **changed))
            assert [each.rule for each in found.trusts] == [rule]

    def test_it_is_the_name_of_another_scope_elsewhere(
        self, deployment: Deployment, token_endpoint: TokenDriver
    ):
        deployment.audience("files")
        client = deployment.client(scopes=["scim", ISSUER_SCIM], audiences=["files", URL])
        answer = token_endpoint.client_credentials(client, audience="files", scope="scim")
        assert answer.scope == {"scim"}
        beyond = token_endpoint.client_credentials(client, audience=URL, scope="scim agents:run")
        assert beyond.body["error"] == "invalid_scope"

    def test_who_does_not_hold_it_does_not_get_it(
        self, deployment: Deployment, token_endpoint: TokenDriver
    ):
        client = deployment.client(scopes=["issuer:users:read"], audiences=[URL])
        refusal = token_endpoint.client_credentials(client, scope="scim")
        assert (refusal.status, refusal.body["error"]) == (400, "invalid_scope")


def test_an_administrator_may_use_it(deployment: Deployment, token_endpoint: TokenDriver):
    """With the rules of an administrator: `issuer:admin` covers every scope of the issuer."""
    admin = Scim(deployment.http, token_endpoint.client_credentials(deployment.admin).token)
    deployment.role("operator", ["issuer:admin"])
    user = deployment.user("operator", roles=["operator"])
    assert admin.patch(f"/Users/{user}", DISABLE).json()["active"] is False


@pytest.fixture
def privileged(deployment: Deployment) -> dict[str, str]:
    """Users and a group with rights at the issuer itself."""
    deployment.role("auditor", ["issuer:audit:read"])
    member = deployment.user("member")
    return {
        "user": deployment.user("auditor", roles=["auditor"]),
        "member": member,
        "group": deployment.group("auditors", [member], roles=["auditor"]),
        "other": deployment.user("other"),
    }


def changes(ids: dict[str, str]) -> Iterator[tuple[str, str, Any]]:
    for name in ("user", "member"):
        path = f"/Users/{ids[name]}"
        yield "DELETE", path, None
        yield "PUT", path, {"userName": "renamed"}
        for operation in (
            DISABLE,
            {"op": "replace", "path": "userName", "value": "renamed"},
            {"op": "add", "path": "emails", "value": [{"value": "mine@example.org"}]},
            {"op": "add", "path": "externalId", "value": "theirs"},
            {"op": "add", "path": "title", "value": "CEO"},
        ):
            yield "PATCH", path, {"schemas": [PATCH], "Operations": [operation]}
    path = f"/Groups/{ids['group']}"
    yield "DELETE", path, None
    yield "PUT", path, {"displayName": "auditors", "members": [{"value": ids["other"]}]}
    for operation in (
        {"op": "replace", "path": "displayName", "value": "renamed"},
        {"op": "add", "path": "members", "value": [{"value": ids["other"]}]},
        {"op": "remove", "path": f'members[value eq "{ids["member"]}"]'},
        {"op": "remove", "path": "members"},
        {"op": "replace", "value": {"members": [{"value": ids["other"]}]}},
    ):
        yield "PATCH", path, {"schemas": [PATCH], "Operations": [operation]}


def test_what_holds_rights_at_the_issuer_can_be_read_and_not_changed(
    scim: Scim, privileged: dict[str, str]
):
    """Not even disabled: who takes over an identity provider must not lock administrators out."""
    paths = [f"/Users/{privileged['user']}", f"/Groups/{privileged['group']}"]
    before = [scim.get(path).json() for path in paths]
    for method, path, body in changes(privileged):
        answer = scim(method, path, json=body)
        assert refused(answer) == (403, None), (method, path, body)
    assert [scim.get(path).json() for path in paths] == before


def test_a_request_that_is_refused_changes_nothing(scim: Scim, privileged: dict[str, str]):
    """A group is renamed and gets a member in one request: all or none."""
    group = scim("POST", "/Groups", json={"displayName": "ours"}).json()["id"]
    answer = scim.patch(
        f"/Groups/{group}",
        {"op": "replace", "path": "displayName", "value": "renamed"},
        {"op": "add", "path": "members", "value": [{"value": "usr_nobody"}]},
    )
    assert refused(answer) == (400, "invalidValue")
    assert scim.get(f"/Groups/{group}").json()["displayName"] == "ours"


def test_rights_that_end_while_the_body_comes_do_not_count(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(scopes=[ISSUER_SCIM], audiences=[URL])
    token = token_endpoint.client_credentials(client).token

    def slowly() -> Iterator[bytes]:
        yield b'{"userName":'
        with deployment.changing() as work:
            work.clients.update(client.client_id, {"scopes": []})
        yield b'"late"}'

    answer = deployment.http.post(
        "/scim/v2/Users",
        content=slowly(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": MEDIA_TYPE},
    )
    assert refused(answer)[0] in {401, 403}
    with deployment.changing() as work:
        assert work.users.search("late", 1) == []


def test_the_audit_log_names_the_client(scim: Scim, admin: AdminApi, deployment: Deployment):
    user = scim.create("alice", displayName="Alice", title="Engineer")["id"]
    scim.patch(f"/Users/{user}", DISABLE)
    scim.patch(f"/Users/{user}", DISABLE)
    scim("DELETE", f"/Users/{user}")
    events = admin.get("/audit-events", params={"target": user}).json()["items"]
    assert [each["action"] for each in events] == ["user.deleted", "user.updated", "user.created"]
    (actor,) = {each["actor"] for each in events}
    assert actor.startswith("client-")
    assert events[1]["details"]["to"] == {"disabled": True}
    assert "Engineer" not in str(events)


@pytest.mark.parametrize("more_settings", [{"url": "https://id.example/auth"}])
def test_everything_is_below_the_path_of_the_issuer(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(scopes=[ISSUER_SCIM], audiences=["https://id.example/auth"])
    token = token_endpoint.client_credentials(client).token
    scim = Scim(deployment.http, token)
    created = scim("POST", "/Users", json={"userName": "alice"})
    location = f"https://id.example/auth/scim/v2/Users/{created.json()['id']}"
    assert created.headers["location"] == created.json()["meta"]["location"] == location
    assert deployment.http.get("https://id.example/scim/v2/Users").status_code == 404
    assert refused(scim.get("/Nothing")) == (404, None)


def provisioned_with(http: Any, client: Credentials, scheme: str = "Bearer") -> Any:
    text = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode()).decode()
    return http.get("/scim/v2/Users", headers={"Authorization": f"{scheme} {text}"})


class TestWithASecret:
    """Identity providers that cannot request tokens send id and secret of a client."""

    @pytest.mark.parametrize("scheme", ["Bearer", "Basic", "bearer"])
    def test_the_secret_is_enough(self, deployment: Deployment, scheme: str):
        client = deployment.client(scopes=[ISSUER_SCIM], audiences=[URL])
        assert provisioned_with(deployment.http, client, scheme).status_code == 200
        deployment.wait(timedelta(days=400))
        assert provisioned_with(deployment.http, client, scheme).status_code == 200
        deployment.services.tokens.last_use.write()
        with deployment.changing() as work:
            (secret,) = work.clients.secrets(client.client_id)
            assert secret.last_used_at is not None
            work.clients.delete_secret(client.client_id, secret.id)
        assert refused(provisioned_with(deployment.http, client, scheme)) == (401, None)

    def test_every_wrong_credential_has_the_same_answer(self, deployment: Deployment):
        client = deployment.client("idp", scopes=[ISSUER_SCIM], audiences=[URL])
        disabled = deployment.client(scopes=[ISSUER_SCIM], audiences=[URL])
        public = deployment.client(
            "spa",
            token_endpoint_auth_method="none",
            grant_types=["authorization_code"],
            redirect_uris=["https://app.example/callback"],
        )
        with deployment.changing() as work:
            work.clients.update(disabled.client_id, {"disabled": True})
        for wrong in (
            Credentials("idp", "ais_wrong"),
            Credentials("idp", ""),
            Credentials("idp", disabled.client_secret),
            Credentials("nobody", client.client_secret),
            Credentials("", client.client_secret),
            Credentials("spa", public.client_secret),
            disabled,
        ):
            answer = provisioned_with(deployment.http, wrong)
            assert refused(answer) == (401, None)
            assert answer.json()["detail"] == (
                "The secret token is not that of a client and a valid secret of it."
            )

    def test_wrong_credentials_are_audited_with_the_reason_and_without_the_secret(
        self, deployment: Deployment
    ):
        """Only a client that exists is named: what else is sent may be a secret."""
        client = deployment.client("idp", scopes=[ISSUER_SCIM], audiences=[URL])
        disabled = deployment.client("off", scopes=[ISSUER_SCIM], audiences=[URL])
        with deployment.changing() as work:
            work.clients.update("off", {"disabled": True})
        provisioned_with(deployment.http, client)
        secret = client.client_secret
        for wrong in (Credentials("idp", f"{secret}x"), disabled, Credentials(secret, secret)):
            provisioned_with(deployment.http, wrong)
        refusals = events(deployment, "scim.refused")
        assert [(each.target, each.reason, each.outcome, each.actor) for each in refusals] == [
            ("idp", "wrong secret", "refused", None),
            ("off", "disabled client", "refused", None),
            (None, "unknown client", "refused", None),
        ]
        assert {each.address for each in refusals} == {"testclient"}

    def test_it_gives_no_more_than_the_scope(self, deployment: Deployment):
        """Not even with the secret of an administrator."""
        deployment.role("auditor", ["issuer:audit:read"])
        user = deployment.user("auditor", roles=["auditor"])
        admin = deployment.admin
        text = base64.b64encode(f"{admin.client_id}:{admin.client_secret}".encode()).decode()
        headers = {"Authorization": f"Bearer {text}"}
        assert deployment.http.get("/scim/v2/Users", headers=headers).status_code == 200
        answer = deployment.http.delete(f"/scim/v2/Users/{user}", headers=headers)
        assert refused(answer) == (403, None)
        assert problem(deployment.http.get("/admin/v1/users", headers=headers))[0] == 401

    def test_clients_without_the_scope_are_refused(self, deployment: Deployment):
        for client in (
            deployment.client(scopes=["issuer:users:write"], audiences=[URL]),
            deployment.client(scopes=["agents:run"]),
            deployment.client(
                scopes=[ISSUER_SCIM],
                audiences=[URL],
                grant_types=["authorization_code"],
                redirect_uris=["https://app.example/callback"],
            ),
        ):
            assert refused(provisioned_with(deployment.http, client)) == (403, None)

    @pytest.mark.parametrize("more_settings", [{"rate_limit_failures": "3/minute"}])
    def test_wrong_secrets_are_limited(self, deployment: Deployment):
        wrong = Credentials("nobody", "ais_wrong")
        statuses = [provisioned_with(deployment.http, wrong).status_code for _ in range(4)]
        assert statuses == [401, 401, 401, 429]
        assert int(provisioned_with(deployment.http, wrong).headers["retry-after"]) > 0
        deployment.services.audit.refusals.write()
        counted = events(deployment, "scim.refused")[-1]
        assert (counted.count, counted.outcome, counted.target) == (2, "refused", None)
