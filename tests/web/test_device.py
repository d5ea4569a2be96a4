"""`/device`: the page on which somebody enters the code of a device."""

import pytest

from tests.builders import PASSWORD, Deployment
from tests.drivers import TokenDriver
from tests.sign_in.devices import GRANTS, DeviceClient
from tests.web.browsing import Browser, PageSeen


@pytest.fixture
def device(deployment: Deployment, token_endpoint: TokenDriver) -> DeviceClient:
    client = deployment.client(
        "cli",
        name="Command line",
        grant_types=GRANTS,
        token_endpoint_auth_method="none",
        user_rights="all",
    )
    device = DeviceClient(deployment, token_endpoint, client)
    device.asks()
    return device


@pytest.fixture
def entered(browser: Browser, alice: str, device: DeviceClient) -> PageSeen:
    """The consent page, after the code was typed as people type."""
    browser.sign_in()
    typed = device.codes["user_code"].lower().replace("-", " ")
    return browser.follow(browser.submit(browser.get("/device"), "/device", user_code=typed))


def test_the_link_of_a_device_leads_through_the_sign_in_to_the_code(
    browser: Browser, alice: str, device: DeviceClient
):
    link = device.codes["verification_uri_complete"].partition("/device")[2]
    page = browser.follow(browser.get(f"/device{link}"))
    assert "Sign in" in page.text
    page = browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    page = browser.follow(page)
    assert page.form("/device").fields["user_code"] == device.codes["user_code"]
    assert "Did somebody send you this code" in page.text


def test_the_consent_page_says_where_the_access_goes(entered: PageSeen, device: DeviceClient):
    text = entered.text
    assert "Command line wants to act for you at my-os" in text
    assert device.codes["user_code"] in text
    assert "Allow it only if you have just started it yourself" in text
    assert "Returns to" not in text


def test_the_device_gets_its_token_when_it_is_allowed(
    browser: Browser, entered: PageSeen, device: DeviceClient
):
    done = browser.follow(browser.submit(entered, "/consent", decision="allow"))
    assert "The device is signed in" in done.text
    assert device.polls().status == 200
    assert "Command line" in browser.get("/account").text


def test_the_device_gets_nothing_when_it_is_denied(
    browser: Browser, entered: PageSeen, device: DeviceClient
):
    done = browser.follow(browser.submit(entered, "/consent", decision="deny"))
    assert "The device is not signed in" in done.text
    assert device.polls().error == "access_denied"


@pytest.mark.parametrize("typed", ["", "BCDF-GHJK", "x" * 4_000, "'\"<b>"])
def test_a_wrong_code_says_so_and_keeps_what_was_typed(
    browser: Browser, alice: str, device: DeviceClient, typed: str
):
    browser.sign_in()
    page = browser.submit(browser.get("/device"), "/device", user_code=typed)
    assert page.status == 400
    assert "This code is not valid" in page.text


def test_the_browser_keeps_only_the_last_requests(
    browser: Browser, alice: str, device: DeviceClient
):
    browser.sign_in()
    for _ in range(8):
        browser.submit(browser.get("/device"), "/device", user_code=device.codes["user_code"])
        device.asks()
    assert len([name for name in browser.cookies if "request-" in name]) == 5


def test_wrong_codes_are_limited_as_wrong_passwords_are(
    browser: Browser, alice: str, device: DeviceClient
):
    browser.sign_in()
    page = browser.get("/device")
    statuses = {browser.submit(page, "/device", user_code="BCDFGHJK").status for _ in range(61)}
    assert statuses == {400, 429}


def test_a_code_is_typed_by_nobody_who_is_not_signed_in(browser: Browser, device: DeviceClient):
    assert browser.get("/device").location.startswith("/sign-in?next=%2Fdevice")


def test_somebody_else_can_sign_in_from_the_page(browser: Browser, alice: str):
    browser.sign_in()
    assert "switch=1&amp;next=/device" in browser.get("/device").response.text
    typed = browser.get("/device", user_code="BCDF GHJK").response.text
    assert "next=/device%3Fuser_code%3DBCDF%2520GHJK" in typed
    page = browser.get("/sign-in", switch="1", next="/device")
    assert page.form("/sign-in").fields["next"] == "/device"


def test_the_page_repeats_nothing_that_a_link_says(browser: Browser, alice: str):
    browser.sign_in()
    page = browser.get("/device", error="free text", error_description="Call 555-1234")
    assert "The device is not signed in" in page.text
    assert "free text" not in page.text
    assert "555" not in page.text
