"""Third-party client libraries, and the requests that other servers document, exchange tokens."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session

from tests.builders import Credentials
from tests.journeys.foreign_clients import metadata, pyjwt, run_javascript
from tests.journeys.running_issuer import RunningIssuer
from tests.oauth.exchanging import ACCESS_TOKEN, EXCHANGE, Actors, actors

pytestmark = pytest.mark.slow


def with_authlib(issuer: str, client: Credentials, token: str) -> dict[str, Any]:
    found = metadata(issuer)
    with OAuth2Session(client.client_id, client.client_secret) as session:
        return session.fetch_token(
            found["token_endpoint"],
            grant_type=EXCHANGE,
            subject_token=token,
            subject_token_type=ACCESS_TOKEN,
            audience="archive",
        )


def in_javascript(library: str, issuer: str, client: Credentials, token: str) -> dict[str, Any]:
    return run_javascript(
        "exchange.mjs",
        library=library,
        issuer=issuer,
        client={"id": client.client_id, "secret": client.client_secret},
        parameters={
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "audience": "archive",
        },
    )


def as_keycloak_documents(issuer: str, client: Credentials, token: str) -> dict[str, Any]:
    """https://www.keycloak.org/securing-apps/token-exchange: its request, with our audience."""
    answer = httpx.post(
        metadata(issuer)["token_endpoint"],
        data={
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "grant_type": EXCHANGE,
            "subject_token": token,
            "subject_token_type": ACCESS_TOKEN,
            "requested_token_type": ACCESS_TOKEN,
            "audience": "archive",
            "scope": "agents:run",
        },
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()


REQUESTS: dict[str, Callable[[str, Credentials, str], dict[str, Any]]] = {
    "authlib": with_authlib,
    "openid-client": partial(in_javascript, "openid-client"),
    "oauth4webapi": partial(in_javascript, "oauth4webapi"),
    "keycloak": as_keycloak_documents,
}


@pytest.fixture(scope="module")
def acting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Actors]:
    with (
        RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer,
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("NO_PROXY", "127.0.0.1")
        yield actors(issuer.deployment, issuer.token_endpoint)


@pytest.mark.parametrize("request_of", REQUESTS)
def test_a_token_is_exchanged(acting: Actors, request_of: str):
    """RFC 8693, by discovery (RFC 8414)."""
    issuer = acting.deployment.services.settings.url
    answer = REQUESTS[request_of](issuer, acting.agent, acting.sign_in().token)
    claims = pyjwt(issuer, answer["access_token"], "archive")
    assert (claims["sub"], claims["act"]) == (acting.user_id, {"sub": "agent"})
    assert answer["issued_token_type"] == ACCESS_TOKEN
    assert "refresh_token" not in answer
