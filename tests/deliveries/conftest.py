"""A client that wants to be told of ended sessions, and the internet in which it is."""

import pytest

from tests.builders import Deployment
from tests.deliveries.receiving import URI, Receivers
from tests.drivers import TokenDriver
from tests.sign_in.authorizing import CALLBACK, GRANTS, App
from tests.sign_in.fixtures import SCOPES, alice

__all__ = ["alice"]


@pytest.fixture
def receivers(deployment: Deployment) -> Receivers:
    return Receivers.of(deployment)


@pytest.fixture
def app(deployment: Deployment, token_endpoint: TokenDriver) -> App:
    return told_app(deployment, token_endpoint)


def told_app(
    deployment: Deployment, endpoint: TokenDriver, client_id: str = "app", uri: str = URI
) -> App:
    members = {"scopes": SCOPES, "grant_types": GRANTS, "redirect_uris": [CALLBACK]}
    client = deployment.client(client_id, backchannel_logout_uri=uri, **members)
    return App(endpoint, client, more={"scope": "openid agents:run"})
