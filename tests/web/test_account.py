"""`/account` and `/sign-out`."""

from datetime import timedelta

import httpx
import pytest

from issuer.audit import Actor
from tests.builders import PASSWORD, Deployment
from tests.sign_in.authorizing import App, returned
from tests.sign_in.people import People
from tests.users.hashing import CountedHashes
from tests.web.browsing import Browser, PageSeen

NEW = "another correct horse battery"


@pytest.fixture
def account(browser: Browser, alice: str) -> PageSeen:
    return browser.follow(browser.sign_in())


def change(browser: Browser, **typed: str) -> PageSeen:
    form = {"password": PASSWORD, "new_password": NEW, "repeated": NEW, **typed}
    return browser.submit(browser.get("/account/password"), "/account/password", **form)


@pytest.mark.parametrize("path", ["/account", "/account/password"])
def test_somebody_who_is_not_signed_in_signs_in_first(browser: Browser, alice: str, path: str):
    page = browser.get(path)
    assert page.location.startswith("/sign-in?next=")
    form = browser.get(page.location)
    done = browser.submit(form, "/sign-in", username="alice", password=PASSWORD)
    assert done.location == path


def test_a_new_password_ends_every_other_session(
    deployment: Deployment, browser: Browser, account: PageSeen
):
    other = Browser(deployment.http)
    other.sign_in()
    page = browser.follow(change(browser))
    assert "Your password is set" in page.text
    assert other.get("/account").location.startswith("/sign-in")
    assert browser.get("/account").status == httpx.codes.OK
    assert Browser(deployment.http).sign_in(password=NEW).location == "/account"


@pytest.mark.parametrize(
    "typed",
    [
        {"repeated": "other"},
        {"new_password": "password1234", "repeated": "password1234"},
        {"new_password": PASSWORD, "repeated": PASSWORD},
        {"new_password": "Alice.Longname", "repeated": "Alice.Longname"},
    ],
    ids=str,
)
def test_a_new_password_that_is_refused_costs_no_hash(
    deployment: Deployment, browser: Browser, alice: str, typed: dict[str, str]
):
    deployment.user("alice.longname")
    browser.sign_in("alice.longname")
    hashes = CountedHashes(deployment)
    assert change(browser, **typed).status == httpx.codes.BAD_REQUEST
    assert hashes.number == 0


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "3/minute"}])
def test_changes_of_the_password_are_limited(
    deployment: Deployment, browser: Browser, account: PageSeen
):
    """The sign-in, the check of the old password and the hash of the new one are three."""
    held = deployment.clock.now.replace(second=1)
    change(browser)
    deployment.clock.now = held
    hashes = CountedHashes(deployment)
    page = change(browser, password=NEW, new_password=NEW + "!", repeated=NEW + "!")
    assert "Too many attempts" in page.text
    assert page.status == httpx.codes.TOO_MANY_REQUESTS
    assert (int(page.response.headers["retry-after"]), hashes.number) == (59, 0)
    deployment.clock.move(timedelta(minutes=1))
    assert change(browser, password=NEW, new_password=NEW + "!", repeated=NEW + "!").location


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"password": "wrong"}, "This is not your current password."),
        ({"repeated": "other"}, "This is not the same."),
        ({"new_password": "short", "repeated": "short"}, "12 to 256 characters"),
        ({"new_password": "password1234", "repeated": "password1234"}, "too common"),
        ({"new_password": "", "repeated": ""}, "12 to 256 characters"),
    ],
)
def test_an_error_stands_at_its_field_and_changes_nothing(
    deployment: Deployment,
    browser: Browser,
    account: PageSeen,
    typed: dict[str, str],
    sentence: str,
):
    page = change(browser, **typed)
    assert page.status == httpx.codes.BAD_REQUEST
    assert sentence in page.text
    assert Browser(deployment.http).sign_in().location == "/account"


def test_guesses_of_the_current_password_are_limited(
    deployment: Deployment, browser: Browser, account: PageSeen
):
    for _ in range(10):
        change(browser, password="wrong")
        deployment.clock.move(timedelta(minutes=1))
    assert "not your current password" in change(browser).text


def test_a_user_signs_another_browser_out(
    deployment: Deployment, browser: Browser, account: PageSeen
):
    other = Browser(deployment.http)
    other.sign_in()
    page = browser.submit(browser.get("/account"), "/account/sessions")
    assert "is signed out" in browser.follow(page).text
    assert other.get("/account").location.startswith("/sign-in")


def test_nobody_ends_a_session_of_another_user(
    deployment: Deployment, browser: Browser, account: PageSeen
):
    deployment.user("bob")
    bob = Browser(deployment.http)
    bob.sign_in("bob")
    with deployment.services.administration.reading() as work:
        (session,) = work.sessions.of_user(work.users.get_by_username("bob").id)
    token = browser.get("/account/password").form("/account/password").fields
    other = Browser(deployment.http)
    other.sign_in()  # so that the page of alice has the form
    form = browser.get("/account").form("/account/sessions").fields
    assert token
    page = browser.post("/account/sessions", {**form, "session_id": session.id})
    assert "had ended already" in browser.follow(page).text
    assert bob.get("/account").status == httpx.codes.OK


def test_withdrawing_ends_what_the_application_may_do(
    browser: Browser, account: PageSeen, app: App, asked: PageSeen
):
    consent = browser.follow(asked)
    done = browser.submit(consent, "/consent", decision="allow")
    token = app.redeem(returned(done.response)["code"])
    assert token.status == httpx.codes.OK
    page = browser.get("/account")
    assert "Reports" in page.text
    after = browser.follow(browser.submit(page, "/account/consents"))
    assert "no longer acts for you" in after.text
    assert app.refresh(token.refresh_token).error == "invalid_grant"


def test_a_stale_form_changes_nothing(browser: Browser, account: PageSeen):
    page = browser.post("/account/consents", {"form": "x", "client_id": "app"})
    assert "out of date" in browser.follow(page).text


def test_signing_out_asks_first(browser: Browser, account: PageSeen):
    page = browser.get("/sign-out")
    assert browser.get("/account").status == httpx.codes.OK  # a GET does nothing
    after = browser.follow(browser.submit(page, "/sign-out"))
    assert "You are signed out" in after.text
    assert "__Host-session" not in browser.cookies
    assert browser.get("/account").location.startswith("/sign-in")


def test_signing_out_twice_is_no_error(browser: Browser, account: PageSeen):
    page = browser.get("/sign-out")
    browser.submit(page, "/sign-out")
    assert "signed out" in browser.follow(browser.submit(page, "/sign-out")).text


def test_every_page_of_the_account_is_closed_to_caches_and_frames(account: PageSeen):
    headers = account.response.headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-frame-options"] == "DENY"
    assert "form-action 'self'" in headers["content-security-policy"]


@pytest.mark.parametrize("age", [timedelta(0), timedelta(minutes=11)])
def test_a_new_password_does_not_claim_a_factor_that_was_removed(
    deployment: Deployment, browser: Browser, people: People, alice: str, age: timedelta
):
    phone = people.app_of(alice)
    page = browser.follow(browser.sign_in())
    browser.submit(page, "/sign-in/second-factor", code=phone.code())
    with deployment.changing() as work:
        for factor in work.factors.of_user(alice):
            work.factors.remove(alice, factor.id)
    deployment.clock.move(age)
    assert "Your password is set" in browser.follow(change(browser)).text
    (session,) = deployment.services.people.sessions.of_user(alice)
    assert session.methods == ("pwd",)


def test_somebody_with_only_a_passkey_sets_a_password_after_a_new_sign_in(
    deployment: Deployment, browser: Browser
):
    user_id = deployment.user("carol", password=None)
    user = deployment.services.tokens.directory.load_user(user_id)
    assert user
    sessions = deployment.services.people.sessions
    _, cookie = sessions.begin(user, ("hwk", "mfa"), Actor())
    browser.cookies["__Host-session"] = cookie
    page = browser.get("/account/password")
    assert "Set a password" in page.text
    deployment.clock.move(timedelta(minutes=11))
    late = browser.submit(page, "/account/password", new_password=NEW, repeated=NEW)
    assert late.location.startswith("/sign-in")
    _, browser.cookies["__Host-session"] = sessions.begin(user, ("hwk", "mfa"), Actor())
    done = browser.submit(page, "/account/password", new_password=NEW, repeated=NEW)
    assert "Your password is set" in browser.follow(done).text
    assert Browser(deployment.http).sign_in("carol", NEW).location == "/account"
