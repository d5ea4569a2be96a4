"""Passkeys on the pages, answered by an authenticator in software."""

import json
import re
from dataclasses import dataclass, field
from datetime import timedelta

import httpx
import pytest

from issuer.sign_in import InvitationFields
from tests.builders import PASSWORD, URL, Deployment
from tests.sign_in.authenticator import Authenticator
from tests.sign_in.authorizing import App
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen

CODES = re.compile(r"<li>([^<]+)</li>")
REQUIRED = pytest.mark.parametrize("more_settings", [{"second_factor": "required"}])


@dataclass
class Script:
    """What the script of the pages does, for one passkey."""

    browser: Browser
    passkey: Authenticator = field(default_factory=lambda: Authenticator(URL))

    def send(
        self, page: PageSeen, path: str, action: str = "", answer: str = "", **typed: str
    ) -> PageSeen:
        fields = {**page.form(action).fields, **typed}
        options = self.options(fields, path)
        how = self.passkey.create if "user" in options else self.passkey.get
        credential = answer or json.dumps(how(json.dumps(options)))
        return self.browser.post(path, {**fields, "credential": credential})

    def options(self, fields: dict[str, str], path: str) -> dict[str, object]:
        answer = self.browser.post(f"{path}/options", fields).response
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()["options"]

    def register(self, **typed: str) -> PageSeen:
        page = self.browser.get("/account/passkey")
        return self.send(page, "/passkeys/register", **{"name": "Laptop", **typed})

    def sign_in(self, page: PageSeen | None = None) -> PageSeen:
        return self.send(page or self.browser.get("/sign-in"), "/passkeys/sign-in", "/sign-in")


@pytest.fixture
def script(browser: Browser, alice: str) -> Script:
    """With a passkey that alice has registered on her account page."""
    script = Script(browser)
    browser.sign_in()
    shown = script.register()
    assert len(CODES.findall(shown.response.text)) == 10
    browser.submit(browser.get("/sign-out"), "/sign-out")
    return script


def test_a_passkey_signs_in_without_a_user_name(script: Script):
    before = dict(script.browser.cookies)
    assert script.sign_in().location == "/account"
    account = script.browser.get("/account")
    assert "Laptop" in account.text
    assert "Recovery codes 10 left" in account.text
    assert script.browser.cookies["__Host-browser"] != before["__Host-browser"]


def test_a_passkey_continues_the_request_of_an_application(
    script: Script, app: App, asked: PageSeen
):
    page = script.sign_in(script.browser.follow(asked))
    assert "Reports wants to act for you" in script.browser.follow(page).text


def test_a_passkey_is_the_second_factor_after_the_password(script: Script):
    page = script.browser.follow(script.browser.sign_in())
    assert "Use your passkey" in page.text
    page = script.send(page, "/passkeys/second-factor", "/sign-in/second-factor")
    assert page.location == "/account"


def test_a_wrong_answer_is_refused_on_the_page(script: Script):
    page = script.browser.get("/sign-in")
    script.passkey.origin = "https://evil.example"
    refused = script.send(page, "/passkeys/sign-in", "/sign-in")
    assert refused.status == httpx.codes.BAD_REQUEST
    assert "This passkey was not accepted" in refused.text
    page = script.browser.follow(script.browser.sign_in())
    refused = script.send(page, "/passkeys/second-factor", "/sign-in/second-factor")
    assert "This passkey was not accepted" in refused.text
    assert script.browser.get("/account").location.startswith("/sign-in")


@pytest.mark.parametrize("answer", ["[]", "{}", "[" * 5000, "null", '"x"', "{"])
def test_any_text_may_be_sent_as_an_answer(script: Script, answer: str):
    page = script.browser.get("/sign-in")
    refused = script.send(page, "/passkeys/sign-in", "/sign-in", answer)
    assert refused.status == httpx.codes.BAD_REQUEST
    script.browser.sign_in()


@pytest.mark.parametrize(
    "path",
    ["/passkeys/sign-in", "/passkeys/register", "/passkeys/second-factor", "/passkeys/first"],
)
def test_forms_without_the_token_of_their_page_count_for_nothing(script: Script, path: str):
    fields = script.browser.get("/sign-in").form("/sign-in").fields
    forged = {**fields, "form": "x", "credential": "{}"}
    answer = script.browser.post(f"{path}/options", forged)
    assert answer.status == httpx.codes.BAD_REQUEST
    assert "options" not in answer.response.json()
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    answer = script.browser.post(f"{path}/options", fields, foreign)
    assert answer.status == httpx.codes.FORBIDDEN
    assert script.browser.post(path, fields, foreign).status == httpx.codes.FORBIDDEN


def test_a_session_that_was_left_open_adds_no_passkey(deployment: Deployment, script: Script):
    script.sign_in()
    page = script.browser.get("/account/passkey")
    deployment.clock.move(timedelta(minutes=11))
    fields = {**page.form("").fields, "name": "Phone"}
    answer = script.browser.post("/passkeys/register/options", fields)
    assert answer.status == httpx.codes.BAD_REQUEST
    refused = script.browser.post("/passkeys/register", {**fields, "credential": "{}"})
    assert refused.location.startswith("/sign-in")


def test_a_name_is_needed_and_kept_after_an_error(script: Script):
    script.sign_in()
    page = script.browser.get("/account/passkey")
    other = Script(script.browser, Authenticator("https://evil.example"))
    refused = other.send(page, "/passkeys/register", name="Phone <b>")
    assert refused.status == httpx.codes.BAD_REQUEST
    assert refused.form("").fields["name"] == "Phone <b>"
    assert "This passkey could not be added. Try again." in refused.text
    third = Script(script.browser, Authenticator(URL))
    nameless = third.send(page, "/passkeys/register", name="")
    assert "The name of a passkey has 1 to 255 printable characters." in nameless.text
    added = Script(script.browser, Authenticator(URL)).register(name="Phone <b>")
    assert "Phone <b>" in script.browser.follow(added).text


def test_an_invited_user_signs_in_with_a_passkey_alone(deployment: Deployment, browser: Browser):
    bob = deployment.user("bob", password=None)
    with deployment.changing() as work:
        link = work.invitations.create(bob, InvitationFields()).url.removeprefix(URL)
    script = Script(browser)
    shown = script.send(browser.get(link), f"/passkeys{link}", link)
    assert len(CODES.findall(shown.response.text)) == 10
    assert "None: you sign in with a passkey" in browser.get("/account").text
    assert "does not work" in browser.get(link).text
    elsewhere = Script(Browser(browser._http), script.passkey)
    assert elsewhere.sign_in().location == "/account"


def test_the_only_way_to_sign_in_is_not_removed(deployment: Deployment, browser: Browser):
    bob = deployment.user("bob", password=None)
    with deployment.changing() as work:
        link = work.invitations.create(bob, InvitationFields()).url.removeprefix(URL)
    Script(browser).send(browser.get(link), f"/passkeys{link}", link)
    with deployment.changing() as work:
        (factor,) = work.factors.of_user(bob)
    question = browser.get("/account/remove-factor", factor=factor.id)
    refused = browser.submit(question, "/account/remove-factor")
    assert refused.status == httpx.codes.BAD_REQUEST
    assert "Set a password first" in refused.text
    assert 'href="/account/remove-factor"' in refused.response.text
    with deployment.changing() as work:
        assert len(work.factors.of_user(bob)) == 1


def test_a_first_password_beside_a_passkey_ends_every_other_session(
    deployment: Deployment, browser: Browser
):
    bob = deployment.user("bob", password=None)
    with deployment.changing() as work:
        link = work.invitations.create(bob, InvitationFields()).url.removeprefix(URL)
    script = Script(browser)
    script.send(browser.get(link), f"/passkeys{link}", link)
    elsewhere = Script(Browser(browser._http), script.passkey)
    elsewhere.sign_in()
    page = browser.get("/account/password")
    done = browser.submit(page, "/account/password", new_password=PASSWORD, repeated=PASSWORD)
    assert "You are signed out everywhere else" in browser.follow(done).text
    assert elsewhere.browser.get("/account").location.startswith("/sign-in")
    assert len(deployment.services.people.sessions.of_user(bob)) == 1


def test_an_invitation_takes_no_passkey_that_does_not_verify_the_user(
    deployment: Deployment, browser: Browser
):
    bob = deployment.user("bob", password=None)
    with deployment.changing() as work:
        link = work.invitations.create(bob, InvitationFields()).url.removeprefix(URL)
    script = Script(browser, Authenticator(URL, verifies_user=False))
    assert "Welcome" in script.send(browser.get(link), f"/passkeys{link}", link).text
    assert browser.get("/account").location.startswith("/sign-in")


@REQUIRED
def test_a_passkey_can_be_the_factor_that_is_required(browser: Browser, alice: str):
    script = Script(browser)
    page = browser.follow(browser.sign_in())
    shown = script.send(page, "/passkeys/first", "/sign-in/authenticator")
    assert len(CODES.findall(shown.response.text)) == 10
    assert browser.get("/account").status == httpx.codes.OK


@REQUIRED
def test_a_password_alone_adds_no_passkey_beside_another_factor(
    browser: Browser, alice: str, people: People
):
    page = browser.follow(browser.sign_in())
    people.app_of(alice)
    fields = page.form("/sign-in/authenticator").fields
    answer = browser.post("/passkeys/first/options", fields)
    assert "options" not in answer.response.json()
    assert browser.post("/passkeys/first", fields).location == "/sign-in"


@pytest.mark.parametrize("more_settings", [{"url": "http://127.0.0.1:9000"}])
def test_at_an_address_no_page_offers_passkeys_and_the_account_says_why(
    deployment: Deployment, browser: Browser
):
    deployment.user("alice")
    page = browser.get("/sign-in")
    assert "data-passkey" not in page.response.text
    assert "script" not in page.response.headers["content-security-policy"]
    form = {**page.form("/sign-in").fields, "username": "alice", "password": PASSWORD}
    origin = {"Origin": "http://127.0.0.1:9000"}
    options = browser.post("/passkeys/sign-in/options", form, origin)
    assert "127.0.0.1" in options.response.json()["error"]
    assert browser.post("/sign-in", form, origin).status == httpx.codes.SEE_OTHER
    assert "this issuer is at the address 127.0.0.1" in browser.get("/account").text
