"""Passkeys and codes in Chromium, with an authenticator that it simulates."""

from collections.abc import Iterator
from random import Random
from string import ascii_letters
from time import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from pyotp import TOTP

from issuer.sign_in import InvitationFields
from tests.builders import PASSWORD
from tests.chromium import CHROMIUM, in_chromium
from tests.journeys.running_issuer import RunningIssuer
from tests.sign_in.authorizing import challenge

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = in_chromium
FINGERPRINT_READER = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    """At a host name: browsers have no passkeys for an IP address."""
    with RunningIssuer(tmp_path_factory.mktemp("issuer"), host="localhost") as issuer:
        yield issuer


class PersonAtChromium:
    """Somebody at a browser with a fingerprint reader. `problems` are what its console says."""

    def __init__(self, issuer: RunningIssuer, page: "sync_api.Page") -> None:
        self.url = issuer.settings.url
        self.page = page
        self.problems: list[str] = []
        page.on("console", lambda message: self.problems.append(message.text))
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.device = page.context.new_cdp_session(page)
        self.device.send("WebAuthn.enable")
        added = self.device.send(
            "WebAuthn.addVirtualAuthenticator", {"options": FINGERPRINT_READER}
        )
        self.reader = added["authenticatorId"]

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def click(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).click()

    def type_password(self, username: str) -> None:
        self.go("/sign-in")
        self.page.get_by_label("User name").fill(username)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.click("Sign in")

    def add_passkey(self) -> None:
        self.go("/account/passkey")
        self.page.get_by_label("Name").fill("Work laptop")
        self.click("Add passkey")
        self.page.get_by_role("heading", name="Your recovery codes").wait_for()

    def sign_out(self) -> None:
        self.go("/sign-out")
        self.click("Sign out")
        self.page.get_by_role("heading", name="You are signed out").wait_for()

    def is_signed_in(self) -> bool:
        self.page.wait_for_url("**/account")
        return self.page.get_by_role("heading", name="Where you are signed in").is_visible()


@pytest.fixture
def person(issuer: RunningIssuer) -> Iterator[PersonAtChromium]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield PersonAtChromium(issuer, browser.new_page())
        browser.close()


def test_a_passkey_is_added_and_signs_in(issuer: RunningIssuer, person: PersonAtChromium):
    issuer.deployment.user("alice")
    person.type_password("alice")
    person.add_passkey()
    person.sign_out()
    person.go("/sign-in")
    person.click("Sign in with a passkey")
    assert person.is_signed_in()
    assert person.page.get_by_text("Work laptop", exact=True).is_visible()
    person.sign_out()
    person.type_password("alice")
    person.page.wait_for_url("**/sign-in/second-factor")
    person.click("Use a passkey")
    assert person.is_signed_in()
    assert person.problems == []


def test_a_passkey_finishes_the_longest_request(issuer: RunningIssuer, person: PersonAtChromium):
    """Which travels in the form, also in the one that the script makes."""
    callback, state = (
        "http://127.0.0.1:9/callback",
        "".join(Random(7).choices(ascii_letters, k=4_096)),
    )
    issuer.deployment.user("frank")
    issuer.deployment.client(
        "long",
        grant_types=["authorization_code"],
        redirect_uris=[callback],
        user_rights="all",
    )
    person.type_password("frank")
    person.add_passkey()
    person.sign_out()
    parameters = {
        "response_type": "code",
        "client_id": "long",
        "redirect_uri": callback,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        "scope": "openid",
        "state": state,
    }
    person.go(f"/oauth2/authorize?{urlencode(parameters)}")
    person.click("Sign in with a passkey")
    with person.page.expect_request(f"{callback}?*") as returned:
        person.click("Allow")
    assert parse_qs(urlsplit(returned.value.url).query)["state"] == [state]
    assert [each for each in person.problems if "ERR_" not in each] == []


def test_a_device_has_one_passkey_of_a_person(issuer: RunningIssuer, person: PersonAtChromium):
    issuer.deployment.user("carol")
    person.type_password("carol")
    person.add_passkey()
    person.go("/account/passkey")
    person.page.get_by_label("Name").fill("Again")
    person.click("Add passkey")
    person.page.get_by_text("This device has a passkey of yours already.").wait_for()


def test_a_finger_that_is_not_recognised_can_try_again(
    issuer: RunningIssuer, person: PersonAtChromium
):
    issuer.deployment.user("dave")
    person.type_password("dave")
    person.add_passkey()
    person.sign_out()
    person.go("/sign-in")
    verified = {"authenticatorId": person.reader, "isUserVerified": False}
    person.device.send("WebAuthn.setUserVerified", verified)
    person.click("Sign in with a passkey")
    person.page.get_by_text("No passkey was used. You can try again.").wait_for()
    person.device.send("WebAuthn.setUserVerified", {**verified, "isUserVerified": True})
    person.click("Sign in with a passkey")
    assert person.is_signed_in()


def test_an_authenticator_app_is_added_and_asked_for(
    issuer: RunningIssuer, person: PersonAtChromium
):
    issuer.deployment.user("bob")
    person.type_password("bob")
    person.go("/account/authenticator")
    person.page.get_by_text("Enter the key by hand instead").click()
    secret = person.page.locator(".secret").inner_text().replace(" ", "")
    person.page.get_by_label("The six digits").fill(TOTP(secret).at(time()))
    person.click("Add")
    code = person.page.locator(".codes li").first.inner_text()
    person.sign_out()
    person.type_password("bob")
    # The code of the present step was used to add the app.
    person.page.get_by_label("Code").fill(TOTP(secret).at(time(), counter_offset=1))
    person.click("Continue")
    assert person.is_signed_in()
    person.sign_out()
    person.type_password("bob")
    person.page.get_by_label("Code").fill(code.upper())
    person.click("Continue")
    assert person.is_signed_in()
    assert person.problems == []


def test_an_invitation_is_accepted_with_a_passkey(issuer: RunningIssuer, person: PersonAtChromium):
    erin = issuer.deployment.user("erin", password=None)
    with issuer.deployment.changing() as work:
        link = work.invitations.create(erin, InvitationFields()).url
    person.page.goto(link)
    person.click("Use a passkey instead")
    person.page.get_by_role("heading", name="Your recovery codes").wait_for()
    person.sign_out()
    person.go("/sign-in")
    person.click("Sign in with a passkey")
    assert person.is_signed_in()
    assert person.problems == []
    assert link.rpartition("/")[2] not in issuer.log
