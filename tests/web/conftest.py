"""Fixtures of the pages: a browser, a user, an application."""

import pytest

from tests.builders import Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.sign_in.authorizing import CALLBACK, GRANTS, App
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen

SCOPES = ["agents:read", "agents:web:run", "sessions:read"]


@pytest.fixture
def browser(deployment: Deployment) -> Browser:
    return Browser(deployment.http)


@pytest.fixture
def alice(deployment: Deployment) -> str:
    deployment.role("reader", SCOPES)
    return deployment.user("alice", ["reader"], name="Alice Example")


@pytest.fixture
def app(deployment: Deployment, token_endpoint: TokenDriver) -> App:
    """An application that everybody must allow first."""
    client = deployment.client(
        "app",
        name="Reports",
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        scopes=["agents:read", "agents:run"],
    )
    return App(token_endpoint, client)


@pytest.fixture
def asked(browser: Browser, app: App) -> PageSeen:
    """What the authorization endpoint answers to a request of the application."""
    return browser.get("/oauth2/authorize", **app.request(resource="my-os"))


@pytest.fixture
def people(deployment: Deployment, clock: FakeClock) -> People:
    return People(deployment, clock)
