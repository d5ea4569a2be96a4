"""Third-party client libraries sign people in, with all their checks."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from authlib.common.security import generate_token
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.builders import PASSWORD, Credentials
from tests.cli.driver import Cli
from tests.clients.test_documents import CLIENT, body
from tests.journeys.foreign_clients import BASIC, POST, metadata, pyjwt, run_javascript
from tests.journeys.running_issuer import RunningIssuer
from tests.journeys.signing_in import CALLBACK, WebPerson, authorization_url, returned
from tests.sign_in.authorizing import GRANTS
from tests.sign_in.devices import GRANTS as GRANTS_OF_DEVICES

pytestmark = pytest.mark.slow

GOODBYE = "https://app.example/bye"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with (
        RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("NO_PROXY", "127.0.0.1")
        issuer.deployment.role("runner", ["agents:run", "sessions:read"])
        issuer.deployment.user(
            "alice", ["runner"], id="usr_alice", name="Alice", email="alice@example.com"
        )
        yield issuer


@pytest.mark.parametrize("library", ["openid-client", "oauth4webapi"])
@pytest.mark.parametrize("authentication", [BASIC, POST, "none"])
def test_a_library_signs_a_person_in_and_out(
    issuer: RunningIssuer, library: str, authentication: str
):
    """Discovery, PKCE, `state`, `nonce`, `iss` (RFC 9207), the ID token with its signature and
    `auth_time`, `prompt=none`, user info, refreshing, revocation, RP-initiated logout."""
    client = issuer.deployment.client(
        f"{library}-{authentication}",
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        post_logout_redirect_uris=[GOODBYE],
        token_endpoint_auth_method=authentication,
        user_rights="all",
    )
    result = run_javascript(
        "sign_in.mjs",
        library=library,
        issuer=issuer.url,
        client={
            "id": client.client_id,
            "secret": client.client_secret,
            "authentication": authentication,
        },
        username="alice",
        password=PASSWORD,
        redirectUri=CALLBACK,
        postLogoutRedirectUri=GOODBYE,
        resource="my-os",
    )
    assert result["claims"]["sub"] == "usr_alice"
    assert result["claims"]["amr"] == ["pwd"]
    assert result["user"] == {
        "sub": "usr_alice",
        "name": "Alice",
        "preferred_username": "alice",
        "email": "alice@example.com",
    }
    access = pyjwt(issuer.url, result["access_token"], "my-os")
    assert (access["sub"], access["client_id"]) == ("usr_alice", client.client_id)
    assert access["scopes"] == ["agents:run"]
    assert set(result["scope"].split()) == {
        "openid",
        "profile",
        "email",
        "offline_access",
        "agents:run",
    }
    assert len(set(result["sessions"])) == 1
    assert result["goodbye"] == "?state=bye"
    assert result["refusals"] == {
        "denied": "access_denied",
        "replayed": "invalid_grant",
        "reused": "invalid_grant",
        "revoked": "invalid_grant",
        "signedOut": "login_required",
    }


@pytest.mark.parametrize("authentication", [BASIC, "none"])
@pytest.mark.parametrize("proves", [False, True], ids=["bearer", "DPoP"])
def test_openid_client_pushes_its_requests(
    issuer: RunningIssuer, proves: bool, authentication: str
):
    """RFC 9126, for a client that may not do otherwise; with proofs of possession (RFC 9449)."""
    client = issuer.deployment.client(
        f"pushing-{proves}-{authentication}",
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        post_logout_redirect_uris=[GOODBYE],
        token_endpoint_auth_method=authentication,
        require_pushed_authorization_requests=True,
        dpop_bound_access_tokens=proves,
        user_rights="all",
    )
    result = run_javascript(
        "sign_in.mjs",
        library="openid-client",
        pushes=True,
        proves=proves,
        issuer=issuer.url,
        client={
            "id": client.client_id,
            "secret": client.client_secret,
            "authentication": authentication,
        },
        username="alice",
        password=PASSWORD,
        redirectUri=CALLBACK,
        postLogoutRedirectUri=GOODBYE,
        resource="my-os",
    )
    access = pyjwt(issuer.url, result["access_token"], "my-os")
    assert access["scopes"] == ["agents:run"]
    assert ("cnf" in access) is proves
    assert result["refusals"]["signedOut"] == "login_required"
    assert result["refusals"]["denied"] == "access_denied"


@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_openid_client_signs_a_person_in_on_a_device(issuer: RunningIssuer, decision: str):
    """RFC 8628, by the link with the code in it."""
    client = issuer.deployment.client(
        f"device-{decision}",
        grant_types=GRANTS_OF_DEVICES,
        token_endpoint_auth_method="none",
        user_rights="all",
    )
    result = run_javascript(
        "device.mjs",
        issuer=issuer.url,
        clientId=client.client_id,
        username="alice",
        password=PASSWORD,
        decision=decision,
        audience="my-os",
    )
    if decision == "deny":
        assert result["error"] == "access_denied"
        return
    assert result["page"] == "?answer=allowed"
    assert result["subject"] == "usr_alice"
    access = pyjwt(issuer.url, result["access_token"], "my-os")
    assert (access["sub"], access["client_id"]) == ("usr_alice", client.client_id)
    assert access["scopes"] == ["agents:run"]


@pytest.mark.parametrize("session_class", [OAuth2Session, OAuth2Client])
def test_authlib_signs_a_person_in(issuer: RunningIssuer, session_class: Callable[..., Any]):
    """With PKCE, `nonce` and `at_hash` (OpenID Connect Core §3.1.3.8)."""
    name = session_class.__module__.split(".")[2]
    client = issuer.deployment.client(
        name, grant_types=GRANTS, redirect_uris=[CALLBACK], user_rights="all"
    )
    found, verifier, nonce = metadata(issuer.url), generate_token(48), generate_token()
    with session_class(
        client.client_id,
        client.client_secret,
        scope="openid profile",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    ) as session:
        url, state = session.create_authorization_url(
            found["authorization_endpoint"], code_verifier=verifier, nonce=nonce
        )
        answer = WebPerson("alice").visit(url)
        assert returned(answer)["iss"] == issuer.url
        token = session.fetch_token(
            found["token_endpoint"],
            authorization_response=answer,
            code_verifier=verifier,
            state=state,
        )
        user = session.get(found["userinfo_endpoint"]).json()
    keys = KeySet.import_key_set(httpx.get(found["jwks_uri"], trust_env=False).json())
    verified = jwt.decode(token["id_token"], keys, algorithms=["RS256"])
    expected = {"nonce": nonce, "client_id": client.client_id}
    claims = CodeIDToken(
        verified.claims,
        verified.header,
        {"iss": {"value": issuer.url}},
        {**expected, "access_token": token["access_token"], "max_age": 60},
    )
    claims.validate()
    assert user == {"sub": claims["sub"], "name": "Alice", "preferred_username": "alice"}


def test_a_client_whose_document_is_pinned_signs_a_person_in_without_a_network(
    issuer: RunningIssuer, tmp_path: Path
):
    """No host may be asked for a document (ISSUER_CLIENT_METADATA_HOSTS), and this one does not
    exist."""
    unknown = authorization_url(issuer.url, Credentials(CLIENT, ""))
    assert httpx.get(unknown, trust_env=False).status_code == httpx.codes.BAD_REQUEST
    file = tmp_path / "client.json"
    file.write_bytes(body())
    Cli(issuer.environment).done("client", "pin", CLIENT, "-f", str(file))
    with OAuth2Client(
        CLIENT,
        token_endpoint_auth_method="none",
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
        trust_env=False,
    ) as session:
        verifier, token_endpoint = generate_token(48), metadata(issuer.url)["token_endpoint"]
        url, state = session.create_authorization_url(
            metadata(issuer.url)["authorization_endpoint"], code_verifier=verifier, resource="my-os"
        )
        token = session.fetch_token(
            token_endpoint,
            authorization_response=WebPerson("alice").visit(url),
            code_verifier=verifier,
            state=state,
        )
        renewed = session.refresh_token(token_endpoint)
    for each in (token, renewed):
        claims = pyjwt(issuer.url, each["access_token"], "my-os")
        assert (claims["sub"], claims["client_id"]) == ("usr_alice", CLIENT)
        assert claims["scopes"] == ["agents:run", "sessions:read"]
