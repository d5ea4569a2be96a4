"""Clients and verifiers that no one here wrote find their way by discovery (RFC 8414)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders import PASSWORD, Credentials
from tests.journeys.foreign_clients import (
    BASIC,
    CLIENTS,
    POST,
    VERIFIERS,
    Task,
    in_javascript,
    pyjwt,
    VERIFIERS,
)
from tests.journeys.running_issuer import RunningIssuer

GRANTS = {"client_credentials": {}, "password": {"username": "älice", "password": PASSWORD}}

# RFC 6749 §2.3.1 has ids form-encoded before Basic, but these libraries send them as they are.
# What is behind the first colon is then the secret (RFC 7617 §2).
SEND_BASIC_UNENCODED = {"authlib-requests", "authlib-httpx", "requests-oauthlib"}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer, pytest.MonkeyPatch.context() as m:
        m.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # its way to allow http
        issuer.house.user("älice")
        yield issuer


@pytest.fixture(scope="module")
def clients(issuer: RunningIssuer) -> dict[str, Credentials]:
    """By id."""
    ids = ["plain", "a+b@c|d~e", "svc:a+b@c"]
    more: dict[str, Any] = {"grant_types": list(GRANTS), "scopes": ["agents:run"]}
    return {client_id: issuer.house.client(client_id, **more) for client_id in ids}


@pytest.mark.parametrize("grant_type", GRANTS)
@pytest.mark.parametrize("client_id", ["plain", "a+b@c|d~e", "svc:a+b@c"])
@pytest.mark.parametrize("authentication", [BASIC, POST])
@pytest.mark.parametrize("library", CLIENTS)
def test_a_library_gets_a_token(
    issuer: RunningIssuer,
    clients: dict[str, Credentials],
    library: str,
    authentication: str,
    client_id: str,
    grant_type: str,
):
    """RFC 6749 §4.3, §4.4, whatever characters the id has."""
    if ":" in client_id and authentication == BASIC and library in SEND_BASIC_UNENCODED:
        pytest.skip(f"{library} does not encode the colon, and no server can know it from the other")
    task = Task(issuer.url, clients[client_id], authentication, grant_type, GRANTS[grant_type])
    answer = CLIENTS[library](task)
    claims = pyjwt(issuer.url, answer["access_token"], "my-os")
    assert claims["client_id"] == client_id
    assert (claims["sub"] == client_id) is (grant_type == "client_credentials")
