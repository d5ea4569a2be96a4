"""Bound tokens at what the issuer protects itself: user info, the admin API and SCIM (§7)."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.builders import URL, Credentials, Deployment
from tests.dpop.proving import ProofKey, ProvingDriver
from tests.drivers import TokenDriver
from tests.sign_in.authorizing import App, Person

RESOURCES = [("GET", "/oauth2/userinfo"), ("GET", "/admin/v1/roles"), ("GET", "/scim/v2/Users")]
NOT_BOUND = "The access token is not bound to a key: send it under the scheme Bearer."
BOUND = "The access token is bound to a key: send it under the scheme DPoP, with a proof."


@pytest.fixture
def proving(deployment: Deployment) -> ProvingDriver:
    return ProvingDriver(deployment)


@pytest.fixture
def operator(deployment: Deployment, alice: Person) -> Credentials:
    """A client whose token for the issuer opens the admin API and SCIM."""
    return deployment.client("operator", scopes=["issuer:admin"], audiences=[URL])


def tokens(
    driver: TokenDriver, operator: Credentials, alice: Person, app: App
) -> Iterator[tuple[str, str, str]]:
    """Each resource, and a token that opens it."""
    of_alice = App(driver, app.client)
    person = alice.signs_in_to(of_alice, scope="openid").token
    machine = driver.client_credentials(operator).token
    for method, path in RESOURCES:
        yield method, path, person if path == "/oauth2/userinfo" else machine


def why_refused(answer: httpx.Response) -> str:
    """The error and its description in the challenge."""
    assert answer.status_code == 401, answer.text
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith("DPoP ")
    assert 'algs="RS256 PS256 ES256 EdDSA Ed25519"' in challenge
    return challenge.split('error="')[1].split('", algs')[0].replace('", error_description="', ": ")


def test_a_bound_token_opens_with_its_proof_once(
    deployment: Deployment, proving: ProvingDriver, operator: Credentials, alice: Person, app: App
):
    for method, path, token in tokens(proving, operator, alice, app):
        headers = proving.presenting(token, method, path)
        answer = deployment.http.request(
            method, f"{path}?a=b" if "user" in path else path, headers=headers
        )
        assert answer.status_code == 200, answer.text
        for _ in range(2):
            replayed = deployment.http.request(method, path, headers=headers)
            assert why_refused(replayed) == "invalid_dpop_proof: jti of the proof was used before."


def test_a_stolen_token_opens_nothing(
    deployment: Deployment, proving: ProvingDriver, operator: Credentials, alice: Person, app: App
):
    """Without a proof, with a stolen one, and with one by the key of the thief."""
    thief = ProvingDriver(deployment)
    opened = []
    for method, path, token in tokens(proving, operator, alice, app):
        stolen = proving.presenting(token, method, path)
        assert deployment.http.request(method, path, headers=stolen).status_code == 200
        other_method = "DELETE" if method == "GET" else "GET"
        elsewhere = proving.presenting(token, method, "/oauth2/other")
        tried: dict[str, Any] = {
            "as a bearer token": {"Authorization": f"Bearer {token}"},
            "as one, with a proof": {**stolen, "Authorization": f"Bearer {token}"},
            "without a proof": {"Authorization": f"DPoP {token}"},
            "with a used proof": stolen,
            "with a proof of another URL": elsewhere,
            "with a proof of another method": proving.presenting(token, other_method, path),
            "with a proof without the token": {**stolen, "DPoP": proving.proof(method, URL + path)},
            "with a proof for another token": {
                **stolen,
                "DPoP": proving.proof(method, URL + path, token="other"),
            },
            "with an old proof": proving.presenting(token, method, path, iat=0),
            "by another key": thief.presenting(token, method, path),
            "with two proofs": [
                ("Authorization", f"DPoP {token}"),
                ("DPoP", proving.presenting(token, method, path)["DPoP"]),
                ("DPoP", proving.presenting(token, method, path)["DPoP"]),
            ],
        }
        for how, headers in tried.items():
            answer = deployment.http.request(method, path, headers=headers)
            if answer.status_code != 401 or "DPoP " not in answer.headers["www-authenticate"]:
                opened.append((path, how, answer.status_code))
    assert opened == []


def test_a_bound_token_in_a_form_opens_nothing(
    deployment: Deployment, proving: ProvingDriver, alice: Person, app: App
):
    """RFC 6750 §2.2 has no place for a proof."""
    token = alice.signs_in_to(App(proving, app.client), scope="openid").token
    proof = {"DPoP": proving.presenting(token, "POST", "/oauth2/userinfo")["DPoP"]}
    answer = deployment.http.post("/oauth2/userinfo", data={"access_token": token}, headers=proof)
    assert why_refused(answer) == f"invalid_token: {BOUND}"


def test_a_token_that_is_not_bound_is_none_under_dpop(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    proving: ProvingDriver,
    operator: Credentials,
    alice: Person,
    app: App,
):
    for method, path, token in tokens(token_endpoint, operator, alice, app):
        headers = proving.presenting(token, method, path)
        answer = deployment.http.request(method, path, headers=headers)
        assert why_refused(answer) == f"invalid_token: {NOT_BOUND}"
        bearer = {"Authorization": f"Bearer {token}", "DPoP": "ignored"}
        assert deployment.http.request(method, path, headers=bearer).status_code == 200


def test_a_token_that_is_not_active_is_told_under_the_scheme_that_was_used(
    deployment: Deployment, proving: ProvingDriver
):
    for method, path in RESOURCES[1:]:
        answer = deployment.http.request(
            method, path, headers=proving.presenting("no.jwt.here", method, path)
        )
        assert why_refused(answer).startswith("invalid_token: The access token is missing")


def test_a_change_takes_one_proof_although_the_caller_is_checked_twice(
    deployment: Deployment, proving: ProvingDriver, operator: Credentials
):
    """Before the body is read, and after it."""
    token = proving.client_credentials(operator).token
    role = {"name": "runner-2", "scopes": ["agents:run"]}
    headers = proving.presenting(token, "POST", "/admin/v1/roles")
    created = deployment.http.post("/admin/v1/roles", json=role, headers=headers)
    assert created.status_code == 201, created.text
    again = deployment.http.post("/admin/v1/roles", json={**role, "name": "r3"}, headers=headers)
    assert again.status_code == 401
    group = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "engineers",
    }
    headers = proving.presenting(token, "POST", "/scim/v2/Groups")
    headers["Content-Type"] = "application/scim+json"
    created = deployment.http.post("/scim/v2/Groups", json=group, headers=headers)
    assert created.status_code == 201, created.text
    assert deployment.http.post("/scim/v2/Groups", json=group, headers=headers).status_code == 401


def test_a_proof_without_the_scope_is_forbidden(deployment: Deployment, proving: ProvingDriver):
    reader = deployment.client("reader", scopes=["issuer:users:read"], audiences=[URL])
    token = proving.client_credentials(reader).token
    headers = proving.presenting(token, "GET", "/admin/v1/roles")
    assert deployment.http.get("/admin/v1/roles", headers=headers).status_code == 403


@pytest.mark.parametrize("more_settings", [{"dpop_nonce": "required"}])
def test_resources_ask_for_nonces_as_well(
    deployment: Deployment, operator: Credentials, alice: Person, app: App
):
    """RFC 9449 §9."""
    key, nonce = ProofKey(), deployment.services.tokens.proofs.next_nonce
    proving = ProvingDriver(deployment, key, nonce=nonce)
    for method, path, token in tokens(proving, operator, alice, app):
        without = proving.presenting(token, method, path, nonce=None)
        answer = deployment.http.request(method, path, headers=without)
        assert why_refused(answer).startswith("use_dpop_nonce: ")
        given = answer.headers["DPoP-Nonce"]
        retried = proving.presenting(token, method, path, nonce=given)
        assert deployment.http.request(method, path, headers=retried).status_code == 200


@pytest.mark.parametrize("more_settings", [{"client_registration": "token"}])
def test_an_initial_access_token_may_be_bound(deployment: Deployment, proving: ProvingDriver):
    """RFC 7591 §3 leaves its type open; stolen, it registers nothing."""
    client = deployment.client("portal", scopes=["issuer:clients:register"], audiences=[URL])
    token, path = proving.client_credentials(client).token, "/oauth2/register"
    body = {"redirect_uris": ["https://app.example/callback"]}
    stolen = {"Authorization": f"Bearer {token}"}
    assert why_refused(deployment.http.post(path, json=body, headers=stolen)).startswith(
        "invalid_t"
    )
    headers = proving.presenting(token, "POST", path)
    assert deployment.http.post(path, json=body, headers=headers).status_code == 201
    assert deployment.http.post(path, json=body, headers=headers).status_code == 401
