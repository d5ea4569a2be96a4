"""OpenID Connect: ID tokens, user info, discovery."""

from base64 import urlsafe_b64encode
from datetime import timedelta
from hashlib import sha256, sha512
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.builders import URL, Deployment
from tests.drivers import TokenAnswer
from tests.rows import rows
from tests.sign_in.authorizing import App, Person, sign_in

PASSWORD_ACR = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
MULTI_FACTOR_ACR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"


def id_token(app: App, answer: TokenAnswer) -> Any:
    keys = KeySet.import_key_set(app.endpoint.http.get("/.well-known/jwks.json").json())
    return jwt.decode(answer.body["id_token"], keys, algorithms=["ES256"])


def user_info(app: App, token: str | None = None, **request: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return app.endpoint.http.get("/oauth2/userinfo", headers=headers, **request)


def test_an_id_token_says_who_signed_in_and_how(alice: Person, app: App):
    """OpenID Connect Core §2 and §3.1.3.6."""
    answer = alice.signs_in_to(app, scope="openid", nonce="n-0S6_WzA2Mj")
    token = id_token(app, answer)
    half = sha256(answer.token.encode()).digest()[:16]
    issued_at = int(alice.deployment.clock().timestamp())
    assert token.header["typ"] == "JWT"
    assert token.claims == {
        "iss": URL,
        "sub": alice.user_id,
        "aud": "app",
        "iat": issued_at,
        "exp": issued_at + answer.body["expires_in"],
        "auth_time": int(alice.session.authenticated_at.timestamp()),
        "amr": ["pwd"],
        "acr": PASSWORD_ACR,
        "nonce": "n-0S6_WzA2Mj",
        "sid": alice.session.id,
        "at_hash": urlsafe_b64encode(half).decode().rstrip("="),
    }


def test_an_id_token_says_how_strong_the_sign_in_was(alice: Person, app: App):
    """OpenID Connect Core §2; `acr_values` is voluntary (§3.1.2.1) and changes nothing."""
    metadata = app.endpoint.http.get("/.well-known/openid-configuration").json()
    assert metadata["acr_values_supported"] == [PASSWORD_ACR, MULTI_FACTOR_ACR, "phr"]
    assert metadata["claims_parameter_supported"] is False
    for methods, expected in (
        (("pwd",), PASSWORD_ACR),
        (("pwd", "otp", "mfa"), MULTI_FACTOR_ACR),
        (("pwd", "swk", "mfa"), "phr"),
        (("hwk", "mfa"), "phr"),
    ):
        person = sign_in(alice.deployment, alice.user_id, methods=methods)
        answer = person.signs_in_to(app, scope="openid", acr_values="phr", claims='{"id_token":{}}')
        assert id_token(app, answer).claims["acr"] == expected


@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,Ed25519"}])
def test_an_id_token_has_the_algorithm_of_its_audience(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.audiences.update("my-os", {"signing_alg": "Ed25519"})
    alice.deployment.wait(timedelta(days=2))
    person = sign_in(alice.deployment, alice.user_id)
    answer = person.signs_in_to(app, scope="openid", resource="my-os")
    keys = KeySet.import_key_set(app.endpoint.http.get("/.well-known/jwks.json").json())
    token = jwt.decode(answer.body["id_token"], keys, algorithms=["Ed25519"])
    half = sha512(answer.token.encode()).digest()[:32]
    assert token.claims["at_hash"] == urlsafe_b64encode(half).decode().rstrip("=")


def test_a_verified_address_is_said_where_the_scope_allows_it(alice: Person, app: App):
    """OpenID Connect Core §5.1, and never that it is not verified."""

    def told(scope: str) -> object:
        return (
            user_info(app, alice.signs_in_to(app, scope=scope).token).json().get("email_verified")
        )

    with alice.deployment.changing() as work:
        work.users.update(alice.user_id, {"email": "alice@example.com"})
    assert told("openid email") is None
    with alice.deployment.changing() as work:
        work.users.update(alice.user_id, {"email_verified": True})
    assert told("openid email") is True
    assert told("openid profile") is None


def test_claims_of_the_user_change_no_id_token(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.users.update(alice.user_id, {"claims": {"team": "red"}})
    assert "team" not in id_token(app, alice.signs_in_to(app, scope="openid")).claims


def test_an_id_token_is_no_access_token(alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid")
    assert user_info(app, answer.body["id_token"]).status_code == 401
    headers = {"Authorization": f"Bearer {answer.body['id_token']}"}
    assert app.endpoint.http.get("/admin/v1/users", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        ("openid", {}),
        ("openid profile", {"name": "Alice", "preferred_username": "alice"}),
        ("openid email", {"email": "alice@example.com"}),
    ],
)
def test_user_info_says_what_the_scopes_allow(
    alice: Person, app: App, scope: str, claims: dict[str, str]
):
    """OpenID Connect Core §5.3 and §5.4."""
    with alice.deployment.changing() as work:
        work.users.update(alice.user_id, {"email": "alice@example.com"})
    answer = alice.signs_in_to(app, scope=scope)
    response = user_info(app, answer.token)
    assert response.status_code == 200
    assert response.json() == {"sub": alice.user_id, **claims}
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["access-control-allow-origin"] == "*"
    posted = app.endpoint.http.post("/oauth2/userinfo", data={"access_token": answer.token})
    assert posted.json() == response.json()


def test_user_info_without_a_token_names_no_error(app: App):
    """RFC 6750 §3.1."""
    response = user_info(app)
    assert (response.status_code, response.json()) == (401, {})
    assert response.headers["www-authenticate"] == 'Bearer realm="issuer"'


@pytest.mark.parametrize("what", ["nonsense", "no openid", "revoked", "disabled", "of a client"])
def test_user_info_refuses_every_other_token(alice: Person, app: App, what: str):
    token = alice.signs_in_to(app, scope="openid" if what != "no openid" else None).token
    with alice.deployment.changing() as work:
        if what == "revoked":
            work.token_revocations.revoke(token)
        elif what == "disabled":
            work.users.update(alice.user_id, {"disabled": True})
    if what == "nonsense":
        token = token[:-5]
    elif what == "of a client":
        client = alice.deployment.client(scopes=["agents:run"])
        token = app.endpoint.client_credentials(client, scope="openid").token
    response = user_info(app, token)
    if what in {"no openid", "of a client"}:
        assert response.status_code == 403
        assert response.json()["error"] == "insufficient_scope"
        assert 'scope="openid"' in response.headers["www-authenticate"]
    else:
        assert response.status_code == 401
        assert response.json()["error"] == "invalid_token"
        assert 'error="invalid_token"' in response.headers["www-authenticate"]


def test_user_info_takes_one_token_in_one_way(alice: Person, app: App):
    """RFC 6750 §2 and §3.1; never in the URL (§2.3, RFC 9700 §4.3.2)."""
    token = alice.signs_in_to(app, scope="openid").token
    twice = app.endpoint.http.post(
        "/oauth2/userinfo",
        data={"access_token": token},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert (twice.status_code, twice.json()["error"]) == (400, "invalid_request")
    assert user_info(app, params={"access_token": token}).status_code == 401


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x"])
def test_only_a_form_holds_a_token(alice: Person, app: App, content_type: str):
    """RFC 6750 §2.2. Some clients name a content type with every POST."""
    token = alice.signs_in_to(app, scope="openid").token
    headers = {"Content-Type": content_type}

    def posted(**more: str) -> httpx.Response:
        content = f"access_token={token}"
        return app.endpoint.http.post(
            "/oauth2/userinfo", content=content, headers={**headers, **more}
        )

    assert posted(Authorization=f"Bearer {token}").json()["sub"] == alice.user_id
    refused = posted()
    assert (refused.status_code, refused.json()) == (401, {})


def test_the_metadata_says_how_people_sign_in(shared: Deployment):
    document = shared.http.get("/.well-known/openid-configuration").json()
    assert document == shared.http.get("/.well-known/oauth-authorization-server").json()
    expected = {
        "authorization_endpoint": f"{URL}/oauth2/authorize",
        "userinfo_endpoint": f"{URL}/oauth2/userinfo",
        "end_session_endpoint": f"{URL}/oauth2/logout",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    assert {name: document[name] for name in expected} == expected
    assert "authorization_code" in document["grant_types_supported"]
    assert None not in document.values()


@rows("path", ["/oauth2/token", "/oauth2/revoke", "/oauth2/userinfo"])
def test_scripts_of_any_origin_may_call(shared: Deployment, path: str):
    """Fetch §3.2. Credentials of the browser are never allowed."""
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
    }
    allowed = shared.http.options(path, headers=asked)
    assert allowed.status_code == 204
    assert allowed.headers["access-control-allow-origin"] == "*"
    assert "POST" in allowed.headers["access-control-allow-methods"]
    for name in ("authorization", "content-type", "mcp-protocol-version"):
        assert name in allowed.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in allowed.headers
    refused = shared.http.post(path, data={"x": "1"}, headers={"Origin": "https://a.example"})
    assert refused.status_code >= 400
    assert refused.headers["access-control-allow-origin"] == "*"
    other_method = shared.http.put(path, headers={"Origin": "https://a.example"})
    assert other_method.status_code == 405
    assert other_method.headers["access-control-allow-origin"] == "*"


@rows("path", ["/oauth2/authorize", "/oauth2/logout", "/oauth2/introspect"])
def test_no_script_may_read_other_answers(shared: Deployment, path: str):
    """People are sent there, or a secret is needed, which no script has."""
    origin = {"Origin": "https://app.example"}
    preflight = shared.http.options(path, headers=origin)
    assert preflight.status_code == 405
    answers = [
        preflight,
        shared.http.get(path, headers=origin),
        shared.http.post(path, data={"token": "x"}, headers=origin),
        shared.http.post(path, json={}, headers=origin),
    ]
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_no_script_may_read_whether_a_token_is_active(alice: Person, app: App):
    token = alice.signs_in_to(app).token
    answer = alice.deployment.http.post(
        "/oauth2/introspect",
        data={"token": token},
        auth=(app.client.client_id, app.client.client_secret),
        headers={"Origin": "https://app.example"},
    )
    assert answer.json()["active"]
    assert "access-control-allow-origin" not in answer.headers
