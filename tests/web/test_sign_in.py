"""`/sign-in`."""

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape

import httpx
import pytest
from starlette.requests import Request

from issuer.web.visit import Csrf, Refusal, Visit, own_page
from tests.builders import PASSWORD, URL, Deployment
from tests.oauth.refreshing import events
from tests.sign_in.authorizing import App, returned, sign_in
from tests.web.browsing import Browser, PageSeen

WRONG = "Wrong user name or password."


def test_a_user_signs_in_and_sees_the_account(browser: Browser, alice: str):
    page = browser.follow(browser.sign_in())
    assert page.status == httpx.codes.OK
    assert "Alice Example" in page.text
    assert "this browser" in page.text


@pytest.mark.parametrize(
    ("username", "password"),
    [("alice", "wrong"), ("nobody", PASSWORD), ("disabled", PASSWORD), ("alice\u0130", "x" * 5000)],
)
def test_every_wrong_sign_in_looks_the_same(
    deployment: Deployment, browser: Browser, alice: str, username: str, password: str
):
    deployment.user("disabled", disabled=True)
    page = browser.sign_in(username, password)
    assert page.status == httpx.codes.BAD_REQUEST
    assert WRONG in page.text
    assert "__Host-session" not in browser.cookies
    assert page.form("/sign-in").fields["username"] == username
    assert page.form("/sign-in").fields["password"] == ""


def test_wrong_passwords_lock_the_user_as_in_the_password_grant(
    deployment: Deployment, browser: Browser, alice: str
):
    for _ in range(10):
        browser.sign_in(password="wrong")
        deployment.clock.move(timedelta(minutes=1))
    assert WRONG in browser.sign_in().text
    deployment.clock.move(timedelta(minutes=15))
    assert browser.sign_in().location == "/account"


def test_a_refusal_is_audited_without_what_was_typed(
    deployment: Deployment, browser: Browser, alice: str
):
    browser.sign_in(password="my-secret-guess")
    (event,) = events(deployment, "sign_in.failed")
    assert (event.target, event.reason) == (alice, "wrong password")
    assert "my-secret-guess" not in repr(event)


def test_a_sign_in_renews_every_secret_of_the_browser(browser: Browser, alice: str):
    """Nobody can plant a session (fixation), and forms of before do not count."""
    browser.get("/sign-in")
    before = dict(browser.cookies)
    browser.sign_in()
    first = dict(browser.cookies)
    assert before["__Host-browser"] != first["__Host-browser"]
    browser.cookies["__Host-session"] = "aiss_planted"
    browser.sign_in()
    assert browser.cookies["__Host-session"] not in {"aiss_planted", first["__Host-session"]}


def test_cookies_are_bound_to_this_host(browser: Browser, alice: str):
    page = browser.sign_in()
    lines = page.response.headers.get_list("set-cookie")
    assert lines
    for line in lines:
        assert line.startswith("__Host-")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(line.split("; "))


def test_a_form_without_its_token_does_nothing(browser: Browser, alice: str):
    """Sign-in CSRF: nobody signs a browser in as somebody else."""
    browser.get("/sign-in")
    page = browser.post("/sign-in", {"username": "alice", "password": PASSWORD})
    assert "__Host-session" not in browser.cookies
    assert page.status == httpx.codes.BAD_REQUEST
    assert page.form("/sign-in").fields["username"] == "alice"


def test_a_token_of_another_browser_does_nothing(
    deployment: Deployment, browser: Browser, alice: str
):
    foreign = Browser(deployment.http).get("/sign-in").form("/sign-in").fields
    browser.get("/sign-in")
    browser.post("/sign-in", {**foreign, "username": "alice", "password": PASSWORD})
    assert "__Host-session" not in browser.cookies


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_of_another_site_does_nothing(browser: Browser, alice: str, headers: dict[str, str]):
    fields = browser.get("/sign-in").form("/sign-in").fields
    form = {**fields, "username": "alice", "password": PASSWORD}
    page = browser.post("/sign-in", form, headers)
    assert page.status == httpx.codes.FORBIDDEN
    assert "another site" in page.text
    assert "__Host-session" not in browser.cookies


def test_without_cookies_the_page_says_so(browser: Browser, alice: str):
    fields = browser.get("/sign-in").form("/sign-in").fields
    browser.cookies.clear()
    page = browser.post("/sign-in", {**fields, "username": "alice", "password": PASSWORD})
    assert "keeps no cookies" in page.text
    assert "__Host-session" not in browser.cookies


def test_a_form_sent_twice_signs_in_once(browser: Browser, alice: str):
    page = browser.get("/sign-in")
    browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    session = browser.cookies["__Host-session"]
    again = browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    assert browser.follow(again).status == httpx.codes.OK
    assert browser.cookies["__Host-session"] == session


OTHER_PLACES = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/sign-out",
    "/accounts",
    "/account/../x",
    "/account/%2e%2E/x",
    "/account/..%2Fx",
    "/account//evil.example",
    "/account/@evil.example",
    "/account/%zz",
    "/account\n",
    "/account?next=//evil.example",
    "/account?a=<b>",
    "/account#top",
    "/console/users?search=" + "a" * 2_000,
]


@pytest.mark.parametrize("page", OTHER_PLACES)
def test_nobody_is_sent_to_another_place(browser: Browser, alice: str, page: str):
    """Open redirects (RFC 9700 §4.11)."""
    form = browser.get("/sign-in", next=page)
    fields = {**form.form("/sign-in").fields, "next": page}
    answer = browser.post("/sign-in", {**fields, "username": "alice", "password": PASSWORD})
    assert answer.location == "/account"


@pytest.mark.parametrize(
    "page",
    [
        "/console",
        "/console/users?search=ann+%C3%A4&page=2",
        "/console/clients/https%3A%2F%2Ftool.example%2Fclient.json?tab=secrets",
    ],
)
def test_a_sign_in_leads_to_the_page_that_needed_it(browser: Browser, alice: str, page: str):
    form = browser.get("/sign-in", next=page)
    assert browser.submit(form, "/sign-in", username="alice", password=PASSWORD).location == page


def test_a_page_is_named_without_a_query_that_is_too_long():
    assert own_page("/console/users", {"search": "\u00e4 &#'/"}) == (
        "/console/users?search=%C3%A4+%26%23%27%2F"
    )
    assert own_page("/console/users", {"search": "\u00e4" * 400}) == "/console/users"


def test_an_application_is_named_and_gets_its_answer(
    browser: Browser, alice: str, app: App, asked: PageSeen
):
    page = browser.follow(asked)
    assert "Sign in to Reports" in page.text
    consent = browser.follow(browser.submit(page, "/sign-in", username="alice", password=PASSWORD))
    assert "Reports wants to act for you" in consent.text


def test_too_many_wrong_passwords_from_a_network(
    deployment: Deployment, browser: Browser, alice: str
):
    for number in range(60):
        browser.sign_in(f"user-{number}", "wrong")
    page = browser.sign_in()
    assert page.status == httpx.codes.TOO_MANY_REQUESTS
    assert int(page.response.headers["retry-after"]) > 0
    assert "Too many attempts to sign in" in page.text


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "1/minute"}])
def test_too_many_right_passwords_of_a_user(deployment: Deployment, browser: Browser, alice: str):
    """The page tells it, and not which password was right."""
    held = deployment.clock.now = deployment.clock.now.replace(second=1)
    assert browser.sign_in().location == "/account"
    for password in (PASSWORD, "wrong"):
        deployment.clock.now = held
        page = Browser(browser._http).sign_in(password=password)
        assert page.status == httpx.codes.TOO_MANY_REQUESTS
        assert page.response.headers["retry-after"] == "59"
        assert "Too many attempts to sign in. Try again in 59 seconds." in page.text
    deployment.clock.now = held
    assert Browser(browser._http).sign_in("bob", "wrong").status == httpx.codes.BAD_REQUEST


def test_repeated_fields_are_refused(browser: Browser, alice: str):
    fields = browser.get("/sign-in").form("/sign-in").fields
    body = "&".join([*(f"{n}={v}" for n, v in fields.items()), "username=bob"])
    page = browser._send(
        "POST",
        "/sign-in",
        content=body,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert page.status == httpx.codes.BAD_REQUEST
    assert "cannot be read" in page.text


def test_nothing_is_shown_of_a_request_of_another_browser(
    deployment: Deployment, browser: Browser, asked: PageSeen
):
    page = Browser(deployment.http).follow(asked)
    assert "nothing to continue" in page.text
    assert "Reports" not in page.text


def test_two_tabs_are_two_requests(browser: Browser, alice: str, app: App):
    first = browser.get("/oauth2/authorize", **app.request(state="one", resource="my-os"))
    second = browser.get("/oauth2/authorize", **app.request(state="two", resource="my-os"))
    page = browser.follow(second)
    browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    consent = browser.follow(first)  # signed in meanwhile: the page asks for nothing more
    done = browser.submit(consent, "/consent", decision="allow")
    assert returned(done.response)["state"] == "one"
    again = browser.get(second.location)
    assert returned(again.response)["state"] == "two"


def test_the_name_is_that_of_the_user_whom_the_application_wants(
    deployment: Deployment, browser: Browser, alice: str, app: App
):
    def username(**wanted: str) -> str:
        asked = browser.get("/oauth2/authorize", **app.request(prompt="login", **wanted))
        return browser.follow(asked).form("/sign-in").fields["username"]

    bob = sign_in(deployment, deployment.user("bob", ["reader"]))
    hint = bob.signs_in_to(app, scope="openid agents:read").body["id_token"]
    browser.sign_in()
    deployment.clock.move(timedelta(minutes=1))
    assert username() == "alice"
    assert username(login_hint="carol") == "carol"
    assert username(id_token_hint=hint) == "bob"


def test_leaving_the_page_tells_the_application(
    browser: Browser, alice: str, app: App, asked: PageSeen
):
    page = browser.follow(asked)
    done = browser.submit(page, "/sign-in", decision="deny")
    assert returned(done.response)["error"] == "access_denied"
    assert "nothing to continue" in browser.get(asked.location).text


def test_somebody_else_can_sign_in_in_between(
    deployment: Deployment, browser: Browser, alice: str, asked: PageSeen
):
    deployment.user("bob", ["reader"])
    browser.sign_in()
    consent = browser.follow(browser.get(asked.location))
    link = re.search(r'href="([^"]+)">Not you', consent.response.text)
    assert link
    page = browser.get(unescape(link[1]))
    assert page.form("/sign-in").fields["username"] == ""
    done = browser.submit(page, "/sign-in", username="bob", password=PASSWORD)
    assert "Signed in as bob" in browser.follow(done).text


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://id.example:443/issuer", "https://id.example"),
        ("https://ID.example:8443", "https://id.example:8443"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_an_origin_is_compared_as_browsers_write_it(url: str, origin: str):
    """RFC 6454 §6.2."""
    request = Request({"type": "http", "headers": [(b"origin", origin.encode())]})
    visit = Visit(request, "secret", is_new=False, query={})
    guard = Csrf(b"key", url)
    form = {"form": guard.token("secret", "purpose")}
    assert guard.refusal(visit, form, "purpose") is None
    assert guard.refusal(visit, form, "another purpose") is Refusal.STALE
    assert guard.refusal(replace(visit, is_new=True), form, "purpose") is Refusal.NO_COOKIES


@pytest.mark.parametrize("more_settings", [{"url": "https://id.example/issuer"}])
def test_pages_are_under_the_path_of_the_issuer(browser: Browser, alice: str):
    fields = browser.get(f"{URL}/issuer/sign-in").form("/issuer/sign-in").fields
    form = {**fields, "username": "alice", "password": PASSWORD}
    done = browser.post(f"{URL}/issuer/sign-in", form)
    assert done.location == "/issuer/account"
    for path in ("/issuer", "/issuer/", "/issuer/account"):
        assert browser.get(f"{URL}{path}").status == httpx.codes.OK
