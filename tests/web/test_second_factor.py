"""Second factors: at sign-in, and on the account page."""

import re
from datetime import timedelta

import httpx
import pytest
from pyotp import TOTP

from tests.builders import PASSWORD, Deployment, FakeClock
from tests.sign_in.authorizing import App, returned
from tests.sign_in.people import AuthenticatorApp, People
from tests.web.browsing import Browser, PageSeen

PAGE = "/sign-in/second-factor"
NEW = "another good password"
ADD = "/account/authenticator"
SECRET = re.compile(r'class="secret"[^>]*>([A-Z2-7 ]+)<')
CODES = re.compile(r"<li>([^<]+)</li>")
REQUIRED = pytest.mark.parametrize("more_settings", [{"second_factor": "required"}])


@pytest.fixture
def phone(people: People, alice: str) -> AuthenticatorApp:
    return people.app_of(alice)


def test_a_password_alone_opens_nothing(browser: Browser, phone: AuthenticatorApp):
    page = browser.sign_in()
    assert page.location == PAGE
    assert browser.get("/account").location.startswith("/sign-in")
    assert "Second factor" in browser.get(PAGE).text


def test_a_code_completes_the_sign_in(browser: Browser, phone: AuthenticatorApp):
    page = browser.follow(browser.sign_in())
    halfway = browser.cookies["__Host-session"]
    done = browser.submit(page, PAGE, code=phone.code())
    assert done.location == "/account"
    assert browser.cookies["__Host-session"] != halfway
    assert browser.get("/account").status == httpx.codes.OK


def test_signing_in_again_leaves_no_other_session(
    deployment: Deployment, browser: Browser, alice: str, phone: AuthenticatorApp
):
    for _ in range(2):
        deployment.clock.move(timedelta(minutes=11))
        page = browser.submit(
            browser.get("/sign-in", next=ADD), "/sign-in", username="alice", password=PASSWORD
        )
        assert browser.submit(browser.follow(page), PAGE, code=phone.code()).location == ADD
    assert len(deployment.services.people.sessions.of_user(alice)) == 1


@pytest.mark.parametrize("way", ["/sign-out", "/oauth2/logout"])
def test_signing_out_halfway_ends_the_session_that_the_browser_had(
    deployment: Deployment, browser: Browser, alice: str, phone: AuthenticatorApp, way: str
):
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    deployment.clock.move(timedelta(minutes=11))
    again = browser.get("/sign-in", next=ADD)
    browser.submit(again, "/sign-in", username="alice", password=PASSWORD)
    assert len(deployment.services.people.sessions.of_user(alice)) == 2
    page = browser.follow(browser.get(way))
    assert "Sign out" in page.text
    assert "You are signed out" in browser.follow(browser.submit(page, "/sign-out")).text
    assert not deployment.services.people.sessions.of_user(alice)


def test_a_recovery_code_works_once(browser: Browser, phone: AuthenticatorApp):
    code = phone.recovery_codes[0]
    page = browser.follow(browser.sign_in())
    assert browser.submit(page, PAGE, code=code).location == "/account"
    browser.submit(browser.get("/sign-out"), "/sign-out")
    again = browser.submit(browser.follow(browser.sign_in()), PAGE, code=code)
    assert again.status == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize("code", ["", "000000", "x" * 1000, "١٢٣٤٥٦"])
def test_every_wrong_code_looks_the_same(browser: Browser, phone: AuthenticatorApp, code: str):
    page = browser.submit(browser.follow(browser.sign_in()), PAGE, code=code)
    assert page.status == httpx.codes.BAD_REQUEST
    assert "This code is not valid now." in page.text
    assert browser.get("/account").location.startswith("/sign-in")


def test_guesses_of_codes_lock_the_user(
    deployment: Deployment, browser: Browser, phone: AuthenticatorApp
):
    page = browser.follow(browser.sign_in())
    for _ in range(10):
        browser.submit(page, PAGE, code="000000")
        deployment.clock.move(timedelta(seconds=61))
    again = browser.follow(browser.sign_in())
    assert "Wrong user name or password" in again.text


def test_the_step_is_over_after_ten_minutes(
    deployment: Deployment, browser: Browser, phone: AuthenticatorApp
):
    page = browser.follow(browser.sign_in())
    deployment.clock.move(timedelta(minutes=11))
    assert browser.submit(page, PAGE, code=phone.code()).location == "/sign-in"


def test_the_request_of_an_application_goes_on(
    browser: Browser, phone: AuthenticatorApp, app: App, asked: PageSeen
):
    page = browser.submit(browser.follow(asked), "/sign-in", username="alice", password=PASSWORD)
    page = browser.submit(browser.follow(page), PAGE, code=phone.code())
    done = browser.submit(browser.follow(page), "/consent", decision="allow")
    token = app.redeem(returned(done.response)["code"])
    assert token.status == httpx.codes.OK


def test_an_app_is_added_with_a_code_that_proves_it(browser: Browser, alice: str, clock: FakeClock):
    browser.sign_in()
    page = browser.get(ADD)
    secret = secret_of(page)
    wrong = browser.submit(page, ADD, code="000000")
    assert "not valid now" in wrong.text
    assert secret_of(wrong) == secret
    shown = browser.submit(page, ADD, code=TOTP(secret).at(clock()))
    assert len(CODES.findall(shown.response.text)) == 10
    assert "Earlier recovery codes" not in shown.text
    assert "Recovery codes" in browser.get("/account").text
    assert Browser(browser._http).sign_in().location == PAGE


def test_two_pages_that_add_an_app_show_different_secrets(browser: Browser, alice: str):
    """Else somebody with the password alone could read the one that the person confirms."""
    browser.sign_in()
    secrets = {secret_of(browser.get(ADD)) for _ in range(2)}
    assert len(secrets) == 2


@REQUIRED
def test_a_password_alone_adds_no_app_beside_another_factor(
    browser: Browser, alice: str, clock: FakeClock, people: People
):
    setup = browser.follow(browser.sign_in())
    people.passkey_of(alice)
    code = TOTP(secret_of(setup)).at(clock())
    added = browser.submit(setup, "/sign-in/authenticator", code=code)
    assert added.location == "/sign-in"
    assert browser.get("/account").location.startswith("/sign-in")


@pytest.mark.parametrize(
    "path", [ADD, "/account/recovery-codes", "/account/remove-factor", "/account/passkey"]
)
def test_a_session_that_was_left_open_changes_no_factor(
    deployment: Deployment, browser: Browser, alice: str, path: str
):
    browser.sign_in()
    form = browser.get("/account/password").form("/account/password").fields
    deployment.clock.move(timedelta(minutes=11))
    page = browser.get(path)
    assert page.location == f"/sign-in?next={path.replace('/', '%2F')}"
    assert "needs a recent sign-in" in browser.get(page.location).text
    assert browser.post(path, form).status == httpx.codes.SEE_OTHER
    again = browser.submit(browser.get(page.location), "/sign-in", password=PASSWORD)
    assert again.location == path


def test_a_session_that_was_left_open_and_the_password_do_not_replace_the_factor(
    deployment: Deployment, browser: Browser, phone: AuthenticatorApp
):
    """A new password begins a new session, which may remove the factor."""
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    page = browser.get("/account/password")
    deployment.clock.move(timedelta(minutes=11))
    typed = {"password": PASSWORD, "new_password": NEW, "repeated": NEW}
    assert browser.submit(page, "/account/password", **typed).location.startswith("/sign-in?")
    assert browser.get("/account/password").location.startswith("/sign-in?")


@pytest.mark.parametrize("sent", [False, True])
def test_a_new_sign_in_leads_back_to_the_factor_to_remove(
    deployment: Deployment, browser: Browser, alice: str, phone: AuthenticatorApp, sent: bool
):
    """A form that was sent too late goes on by itself."""
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    with deployment.services.administration.reading() as work:
        (factor,) = work.factors.of_user(alice)
    question = browser.get("/account/remove-factor", factor=factor.id)
    deployment.clock.move(timedelta(minutes=11))
    if sent:
        page = browser.submit(question, "/account/remove-factor")
    else:
        page = browser.get("/account/remove-factor", factor=factor.id)
    halfway = browser.submit(browser.follow(page), "/sign-in", password=PASSWORD)
    back = browser.submit(browser.follow(halfway), PAGE, code=phone.code())
    assert back.location == f"/account/remove-factor?factor={factor.id}"
    shown = browser.get(back.location)
    if sent:
        assert shown.location == "/account?done=removed"
    else:
        assert "Remove the authenticator app?" in shown.text


def test_a_factor_is_removed_after_a_question(
    deployment: Deployment, browser: Browser, alice: str, phone: AuthenticatorApp
):
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    with deployment.services.administration.reading() as work:
        (factor,) = work.factors.of_user(alice)
    question = browser.get("/account/remove-factor", factor=factor.id)
    assert "your password alone is enough" in question.text
    page = browser.follow(browser.submit(question, "/account/remove-factor"))
    assert "It is removed." in page.text
    assert Browser(deployment.http).sign_in().location == "/account"


@REQUIRED
def test_where_a_second_factor_is_required_the_question_does_not_say_that_none_is_needed(
    deployment: Deployment, browser: Browser, alice: str, phone: AuthenticatorApp
):
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    with deployment.services.administration.reading() as work:
        (factor,) = work.factors.of_user(alice)
    question = browser.get("/account/remove-factor", factor=factor.id)
    assert "You set up another one when you sign in next." in question.text
    assert "alone is enough" not in question.text


def test_new_recovery_codes_replace_the_old_ones(browser: Browser, phone: AuthenticatorApp):
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    page = browser.get("/account/recovery-codes")
    shown = browser.submit(page, "/account/recovery-codes")
    assert "Earlier recovery codes no longer work." in shown.text
    new = CODES.findall(shown.response.text)
    assert not set(new) & set(phone.recovery_codes)
    assert shown.response.headers["cache-control"] == "no-store"
    other = Browser(browser._http)
    step = other.follow(other.sign_in())
    assert other.submit(step, PAGE, code=phone.recovery_codes[0]).status == 400
    assert other.submit(step, PAGE, code=new[0]).location == "/account"


@REQUIRED
def test_where_it_is_required_it_is_added_at_sign_in(
    deployment: Deployment,
    browser: Browser,
    alice: str,
    clock: FakeClock,
    app: App,
    asked: PageSeen,
):
    page = browser.submit(browser.follow(asked), "/sign-in", username="alice", password=PASSWORD)
    assert page.location.startswith("/sign-in/authenticator?request=")
    setup = browser.follow(page)
    assert "requires a second factor" in setup.text
    assert browser.get("/account").location.startswith("/sign-in")
    wrong = browser.submit(setup, "/sign-in/authenticator", code="000000")
    assert "not valid now" in wrong.text
    code = TOTP(secret_of(setup)).at(clock())
    shown = browser.submit(wrong, "/sign-in/authenticator", code=code)
    assert len(CODES.findall(shown.response.text)) == 10
    assert "Earlier recovery codes" not in shown.text
    link = re.search(r'class="button full" href="([^"]+)"', shown.response.text)
    assert link
    assert "Reports wants to act for you" in browser.follow(browser.get(link[1])).text


def secret_of(page: PageSeen) -> str:
    found = SECRET.search(page.response.text)
    assert found, page.text
    return found[1].replace(" ", "")
