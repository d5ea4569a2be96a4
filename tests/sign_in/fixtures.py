"""Fixtures: alice, who may run agents and read sessions, and an application."""

import pytest

from issuer.clients.client import ClientFields
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.sign_in.authorizing import CALLBACK, GRANTS, App, Person, sign_in

SCOPES = ["agents:run", "sessions:read"]


@pytest.fixture
def app(deployment: Deployment, token_endpoint: TokenDriver) -> App:
    """A client with a secret, with the same scopes as alice."""
    client = deployment.client("app", scopes=SCOPES, grant_types=GRANTS, redirect_uris=[CALLBACK])
    return App(token_endpoint, client)


@pytest.fixture
def public_app(deployment: Deployment, token_endpoint: TokenDriver) -> App:
    """A client without a secret, through which users have all that they hold."""
    client = deployment.client(
        "public-app",
        user_rights="all",
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none",
    )
    return App(token_endpoint, client)


@pytest.fixture
def self_registered_app(deployment: Deployment, token_endpoint: TokenDriver) -> App:
    """A client that nobody here has checked: it names the document of its metadata."""
    client_id = "https://tool.example/client.json"
    fields = ClientFields(
        client_id=client_id,
        name="Tool",
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        token_endpoint_auth_method="none",
        user_rights="all",
    )
    with deployment.changing() as work:
        work.clients.keep_document(fields, pinned=True)
    return App(token_endpoint, Credentials(client_id, ""))


@pytest.fixture
def alice(deployment: Deployment) -> Person:
    deployment.role("runner", SCOPES)
    return sign_in(deployment, deployment.user("alice", roles=["runner"], name="Alice"))
