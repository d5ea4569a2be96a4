"""Third-party clients and verifiers work with discovery only (RFC 8414)."""

import json
from collections.abc import Iterator

import httpx
import pytest
from authlib.integrations.base_client import OAuthError as RefusedInAuthlib
from oauthlib.oauth2 import OAuth2Error as RefusedInOauthlib

from tests.builders import Credentials
from tests.journeys.foreign_clients import (
    BASIC,
    CLIENTS,
    FEED_READERS,
    JAVASCRIPT,
    KEY,
    POST,
    VERIFIERS,
    RefusedInJavascript,
    Task,
    in_javascript,
    pyjwt,
)
from tests.journeys.running_issuer import RunningIssuer
from tests.oauth.asserting import AssertingClient, with_keys

USERNAME, PASSWORD = "alice+1@example.com", "50% of +1 & a = b; c"  # all that forms encode
GRANTS = {"client_credentials": {}, "password": {"username": USERNAME, "password": PASSWORD}}
EVERY_WAY = [(library, method) for library in CLIENTS for method in (BASIC, POST)]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with (
        RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # its way to allow http
        issuer.deployment.user(USERNAME, password=PASSWORD)
        yield issuer


@pytest.fixture(scope="module")
def client(issuer: RunningIssuer) -> Credentials:
    return new_client(issuer, "a+b@c|d~e-f.g_h")


@pytest.mark.parametrize("grant_type", GRANTS)
@pytest.mark.parametrize(("library", "authentication"), EVERY_WAY)
def test_a_library_gets_a_token(
    issuer: RunningIssuer,
    client: Credentials,
    library: str,
    authentication: str,
    grant_type: str,
):
    """RFC 6749 §4.3, §4.4."""
    task = Task(issuer.url, client, authentication, grant_type, GRANTS[grant_type])
    answer = CLIENTS[library](task)
    claims = pyjwt(issuer.url, answer["access_token"], "my-os")
    assert claims["client_id"] == client.client_id
    assert (claims["sub"] == client.client_id) is (grant_type == "client_credentials")


@pytest.mark.parametrize(("library", "authentication"), EVERY_WAY)
def test_a_colon_in_the_client_id_works_encoded_or_not(
    issuer: RunningIssuer, colon_client: Credentials, library: str, authentication: str
):
    """RFC 6749 §2.3.1."""
    task = Task(issuer.url, colon_client, authentication, "client_credentials", {})
    answer = CLIENTS[library](task)
    assert pyjwt(issuer.url, answer["access_token"], "my-os")["sub"] == "svc:a+b@c"


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
@pytest.mark.parametrize(
    "library", ["authlib-requests", "authlib-httpx", "openid-client", "oauth4webapi"]
)
def test_a_library_gets_a_token_by_its_key(issuer: RunningIssuer, library: str, alg: str):
    """RFC 7523 §2.2. Authlib sends no kid."""
    signer = AssertingClient.new(f"{library}-{alg}", alg, issuer=issuer.url)
    with_keys(issuer.deployment, signer)
    private = json.dumps({**signer.key.as_dict(private=True), **signer.jwk})
    client = Credentials(signer.client_id, private)
    answer = CLIENTS[library](Task(issuer.url, client, KEY, "client_credentials", {}))
    assert pyjwt(issuer.url, answer["access_token"], "my-os")["sub"] == signer.client_id


@pytest.fixture(scope="module")
def colon_client(issuer: RunningIssuer) -> Credentials:
    return new_client(issuer, "svc:a+b@c")


@pytest.mark.parametrize("library", CLIENTS)
def test_a_library_reports_a_refusal(issuer: RunningIssuer, client: Credentials, library: str):
    """RFC 6749 §5.2."""
    wrong = Credentials(client.client_id, "wrong")
    with pytest.raises((RefusedInAuthlib, RefusedInOauthlib, RefusedInJavascript)) as refusal:
        CLIENTS[library](Task(issuer.url, wrong, BASIC, "client_credentials", {}))
    assert refusal.value.error == "invalid_client"


@pytest.mark.parametrize("library", CLIENTS)
def test_a_library_requests_scopes_and_an_audience(issuer: RunningIssuer, library: str):
    """RFC 6749 §3.3, RFC 8707 §2."""
    client = new_client(issuer, f"asks-with-{library}", audiences=["my-os", issuer.url])
    asked = {"scope": "agents:web:run sessions:read", "resource": "my-os"}
    answer = CLIENTS[library](Task(issuer.url, client, POST, "client_credentials", asked))
    assert set(pyjwt(issuer.url, answer["access_token"], "my-os")["scopes"]) == {
        "agents:web:run",
        "sessions:read",
    }


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
@pytest.mark.parametrize("algorithm", ["oidc", "oauth2"])
def test_metadata_is_found_at_both_urls(
    issuer: RunningIssuer, client: Credentials, library: str, algorithm: str
):
    """OpenID Connect Discovery 1.0 §4, RFC 8414 §3."""
    task = Task(issuer.url, client, BASIC, "client_credentials", {})
    assert "access_token" in in_javascript(library, algorithm, task)


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_verifier_accepts_our_token(issuer: RunningIssuer, client: Credentials, verifier: str):
    """RFC 9068 §4, with the keys of RFC 7517 §5."""
    token = issuer.token_endpoint.client_credentials(client).token
    claims = VERIFIERS[verifier](issuer.url, token, "my-os")
    assert (claims["iss"], claims["aud"]) == (issuer.url, "my-os")
    assert claims["sub"] == client.client_id


@pytest.mark.parametrize("verifier", VERIFIERS)
def test_a_verifier_refuses_our_token_for_another_audience(
    issuer: RunningIssuer, client: Credentials, verifier: str
):
    token = issuer.token_endpoint.client_credentials(client).token
    with pytest.raises(Exception, match=r'aud|"aud"|Audience'):
        VERIFIERS[verifier](issuer.url, token, "your-os")


@pytest.mark.parametrize("library", FEED_READERS)
def test_a_library_reads_the_revocation_feed(
    issuer: RunningIssuer, client: Credentials, library: str
):
    """RFC 7519 §4.1: a top-level `sub` or `aud` that is an object would be refused."""
    with issuer.deployment.changing() as work:
        work.clients.revoke_tokens(client.client_id)
        work.revocations.revoke_subject("gone")
        work.revocations.revoke_audience("gone-os")
    feed = httpx.get(f"{issuer.url}/.well-known/revocations", trust_env=False).text
    claims = FEED_READERS[library](issuer.url, feed)
    assert set(claims) == {"iss", "iat", "exp", "revoked"}
    assert set(claims["revoked"]) == {"jti", "sid", "sub", "client_id", "aud", "kid"}
    assert client.client_id in claims["revoked"]["client_id"]
    assert (*claims["revoked"]["sub"], *claims["revoked"]["aud"]) == ("gone", "gone-os")


def test_the_lock_file_names_no_registry():
    """Each machine uses its own registry."""
    packages = json.loads((JAVASCRIPT / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package] == []


def new_client(issuer: RunningIssuer, client_id: str, **fields: object) -> Credentials:
    return issuer.deployment.client(
        client_id,
        grant_types=list(GRANTS),
        **{"scopes": ["agents:run", "sessions:read"], **fields},
    )
