"""Third-party client libraries refresh, introspect and revoke tokens."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from oauthlib.oauth2 import LegacyApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session as OAuthlibSession

from tests.builders import PASSWORD, Credentials
from tests.journeys.foreign_clients import metadata, pyjwt, run_javascript
from tests.journeys.running_issuer import RunningIssuer
from tests.oauth.refreshing import GRANTS

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class AppSession:
    """The tokens that an app received, and the introspection of the last one."""

    refresh_tokens: list[str]
    access_token: str
    before: dict[str, Any]
    after: dict[str, Any]
    refused: str


def with_authlib(session_class: Callable[..., Any], issuer: str, app: Credentials) -> AppSession:
    found = metadata(issuer)
    with session_class(app.client_id, app.client_secret) as session:
        sign_in = {"username": "alice", "password": PASSWORD}
        first = session.fetch_token(found["token_endpoint"], grant_type="password", **sign_in)
        second = session.refresh_token(found["token_endpoint"])
        third = session.refresh_token(found["token_endpoint"])

        def introspect() -> dict[str, Any]:
            asked = session.introspect_token(
                found["introspection_endpoint"], token=third["access_token"]
            )
            return asked.json()

        before = introspect()
        revoked = session.revoke_token(
            found["revocation_endpoint"],
            token=third["refresh_token"],
            token_type_hint="refresh_token",
        )
        assert revoked.status_code == httpx.codes.OK
        after = introspect()
        with pytest.raises(OAuthError) as refusal:
            session.refresh_token(found["token_endpoint"], third["refresh_token"])
    tokens = [each["refresh_token"] for each in (first, second, third)]
    return AppSession(tokens, third["access_token"], before, after, refusal.value.error)


def with_requests_oauthlib(issuer: str, app: Credentials) -> AppSession:
    """It has no introspection and no revocation: they are sent as plain requests."""
    found, auth = metadata(issuer), HTTPBasicAuth(app.client_id, app.client_secret)
    with OAuthlibSession(client=LegacyApplicationClient(app.client_id)) as session:
        sign_in = {"username": "alice", "password": PASSWORD}
        first = session.fetch_token(found["token_endpoint"], auth=auth, **sign_in)
        second = session.refresh_token(found["token_endpoint"], auth=auth)
        third = session.refresh_token(found["token_endpoint"], auth=auth)

        def send(endpoint: str, token: str) -> httpx.Response:
            credentials = (app.client_id, app.client_secret)
            return httpx.post(found[endpoint], data={"token": token}, auth=credentials)

        before = send("introspection_endpoint", third["access_token"]).json()
        assert send("revocation_endpoint", third["refresh_token"]).status_code == httpx.codes.OK
        after = send("introspection_endpoint", third["access_token"]).json()
        with pytest.raises(OAuth2Error) as refusal:
            session.refresh_token(found["token_endpoint"], third["refresh_token"], auth=auth)
    tokens = [each["refresh_token"] for each in (first, second, third)]
    return AppSession(tokens, third["access_token"], before, after, refusal.value.error)


def in_javascript(library: str, issuer: str, app: Credentials) -> AppSession:
    with httpx.Client(base_url=issuer, trust_env=False) as http:
        form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
        answer = http.post("/oauth2/token", data=form, auth=(app.client_id, app.client_secret))
    result = run_javascript(
        "refresh.mjs",
        library=library,
        issuer=issuer,
        client={"id": app.client_id, "secret": app.client_secret},
        refreshToken=answer.json()["refresh_token"],
    )
    return AppSession(
        result["tokens"],
        result["access_token"],
        result["before"],
        result["after"],
        result["refused"],
    )


LIBRARIES: dict[str, Callable[[str, Credentials], AppSession]] = {
    "authlib-requests": partial(with_authlib, OAuth2Session),
    "authlib-httpx": partial(with_authlib, OAuth2Client),
    "requests-oauthlib": with_requests_oauthlib,
    "openid-client": partial(in_javascript, "openid-client"),
    "oauth4webapi": partial(in_javascript, "oauth4webapi"),
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with (
        RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("NO_PROXY", "127.0.0.1")
        environment.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # its way to allow http
        issuer.deployment.role("runner", ["agents:run"])
        issuer.deployment.user("alice", roles=["runner"])
        yield issuer


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_refreshes_introspects_and_revokes(issuer: RunningIssuer, library: str):
    """RFC 6749 §6, RFC 7009, RFC 7662, by discovery (RFC 8414)."""
    app = issuer.deployment.client(library, scopes=["agents:run"], grant_types=GRANTS)
    result = LIBRARIES[library](issuer.url, app)
    assert len(set(result.refresh_tokens)) == 3
    claims = pyjwt(issuer.url, result.access_token, "my-os")
    assert result.before["active"]
    for name in ("sub", "client_id", "jti", "exp", "scope"):
        assert result.before[name] == claims[name]
    assert result.after == {"active": False}
    assert result.refused == "invalid_grant"
