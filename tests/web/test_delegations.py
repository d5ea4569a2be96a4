"""Who acts for somebody with exchanged tokens, on `/account`."""

import pytest

from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import Actors, actors
from tests.web.browsing import Browser
from tests.web.console.conftest import form_token


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


def test_a_person_sees_and_stops_who_acts(acting: Actors, browser: Browser):
    acting.change(acting.agent, name="Support agent")
    acting.chain(acting.sign_in().token)
    browser.sign_in()
    page = browser.get("/account")
    assert "Support agent At archive, with the access of app. Ends in 15 minutes" in page.text
    done = browser.follow(browser.submit(page, "/account/delegations", client_id="agent"))
    assert "It no longer acts for you there." in done.text
    assert "Acting for you now" not in done.text
    assert acting.delegations() == []
    again = browser.follow(browser.submit(page, "/account/delegations", client_id="agent"))
    assert "That had ended already." in again.text


def test_nobody_stops_what_acts_for_somebody_else(acting: Actors, browser: Browser):
    acting.chain(acting.sign_in().token)
    acting.deployment.user("mallory")
    page = browser.follow(browser.sign_in("mallory"))
    assert "Acting for you now" not in page.text
    form = form_token(acting.deployment, browser, "/account")
    done = browser.post("/account/delegations", {"form": form, "client_id": "agent"})
    assert "That had ended already." in browser.follow(done).text
    assert len(acting.delegations()) == 3
