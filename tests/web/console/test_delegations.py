"""Who acts for a user with exchanged tokens, on the page of the user."""

import httpx
import pytest

from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import Actors, actors
from tests.web.browsing import Browser
from tests.web.console.conftest import send


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


def test_an_operator_sees_and_stops_who_acts_in_the_console(acting: Actors, admin: Browser):
    path = f"/console/users/{acting.user_id}"
    assert "act on behalf of the user now" not in admin.get(path).text
    acting.chain(acting.sign_in().token)
    page = admin.get(path)
    assert "archivist vault agent at archive" in page.text
    asked = send(admin, path, do="end-delegation", client_id="agent")
    assert "Stop agent from acting for alice?" in asked.text
    done = admin.follow(admin.submit(asked, path))
    assert f"issuer user delegation end {acting.user_id} agent" in done.text
    assert acting.delegations() == []
    refused = send(admin, path, do="end-delegation", confirmed="yes", client_id="agent")
    assert refused.status == httpx.codes.NOT_FOUND
