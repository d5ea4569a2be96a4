"""`/console/keys/verifiers`: each AgentOS that reports which signing keys it holds."""

from datetime import timedelta

from issuer.keys.schedule import KeyState
from issuer.web.console.screens.views import PAGE
from tests.builders import Deployment
from tests.verifiers.reporting import left_out, report, reported
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn
from tests.web.console.test_keys import PATH as KEYS
from tests.web.console.test_keys import key_that_is

PATH = f"{KEYS}/verifiers"


def test_a_verifier_is_listed_with_what_it_said(deployment: Deployment, admin: Browser):
    active, following = (
        key_that_is(deployment, state).kid for state in (KeyState.ACTIVE, KeyState.ANNOUNCED)
    )
    reported(deployment, [active, "old"], "192.0.2.1", adapter="0.1.7", agno="2.7.2")
    page = admin.get(PATH)
    for text in ("192.0.2.1", "0.1.7", "2.7.2", f"{active[:8]}… old", "just now"):
        assert text in page.text
    assert "1 in the last day, 1 live, 1 without the next key" in page.text
    assert "lacked" in page.text
    assert 'href="/console/audiences/my-os"' in page.response.text
    deployment.clock.move(timedelta(minutes=5))
    reported(deployment, [active, following], "192.0.2.2")
    page = admin.get(PATH)
    assert "2 in the last day, 1 live" in page.text
    assert "not live" in page.text
    assert "held" in page.text
    assert "lacked" not in page.text
    assert "hold: 1 live now" in admin.get(KEYS).text


def test_an_empty_list_says_what_makes_a_verifier_appear(signed_in: SignedIn):
    """Also to somebody who may not open the pages of audiences."""
    page = signed_in("issuer:verifiers:read").get(PATH)
    assert "0 in the last day, 0 live" in page.text
    assert "verifier.attach(AgentOS(" in page.text


def test_a_long_list_is_shown_page_by_page(deployment: Deployment, signed_in: SignedIn):
    browser, verifiers = signed_in("issuer:verifiers:read"), deployment.services.protocol.verifiers
    for number in range(PAGE + 1):
        verifiers.note(report(id=f"instance-{number}"), f"192.0.2.{100 + number}")
    verifiers.write()
    first = browser.get(PATH)
    assert "192.0.2.149" in first.text
    assert "192.0.2.150" not in first.text
    assert "/console/audiences/my-os" not in first.response.text
    rest = browser.get(PATH, after="my-os 192.0.2.149 instance-49")
    assert "192.0.2.150" in rest.text
    assert "192.0.2.149" not in rest.text
    assert "First page" in rest.text
    assert f'href="{PATH}?after=my-os+192.0.2.149+instance-49"' in first.response.text


def test_the_pages_say_that_verifiers_were_left_out(deployment: Deployment, admin: Browser):
    left_out(deployment.services)
    assert "About 3 verifiers were left out at" in admin.get(PATH).text
