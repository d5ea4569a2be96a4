"""Attacks on people who sign in, from another site or another browser."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest

from tests.builders import PASSWORD, URL, Deployment
from tests.sign_in.authorizing import CALLBACK, App
from tests.web.browsing import Browser, PageSeen

EVIL = ["https://evil.example/", "//evil.example", r"\\evil.example", "javascript:alert(1)"]
NAMES = [
    "request",
    "next",
    "redirect_uri",
    "return_to",
    "post_logout_redirect_uri",
    "client_id",
    "state",
    "id_token_hint",
    "response_mode",
    "done",
    "url",
]
PAGES = [
    "/",
    "/sign-in",
    "/sign-in/second-factor",
    "/sign-in/authenticator",
    "/consent",
    "/sign-out",
    "/account",
    "/account/password",
    "/invitation/unknown",
    "/oauth2/authorize",
    "/oauth2/logout",
]
OUR_HOSTS = {"", urlsplit(URL).netloc, urlsplit(CALLBACK).netloc}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_no_parameter_sends_a_browser_elsewhere(
    browser: Browser, alice: str, app: App, page: str, is_signed_in: bool
):
    """Open redirects (RFC 9700 §4.11), with and without the parameters of a valid request."""
    if is_signed_in:
        browser.sign_in()
    for valid in ({}, app.request()):
        for name in NAMES:
            for evil in EVIL:
                answer = browser.get(page, **{**valid, name: evil}).response
                target = urlsplit(answer.headers.get("location", ""))
                assert target.netloc in OUR_HOSTS, (name, evil)
                assert target.scheme in {"", "https"}, (name, evil)
                assert f'href="{evil}' not in answer.text


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("is_signed_in", [False, True])
def test_no_answer_can_be_framed(
    browser: Browser, alice: str, page: str, method: str, is_signed_in: bool
):
    """Clickjacking: also where the request is wrong."""
    if is_signed_in:
        browser.sign_in()
    sent = browser.get(page) if method == "GET" else browser.post(page, {"decision": "allow"})
    headers = sent.response.headers
    if "text/html" in headers.get("content-type", ""):
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    else:
        assert sent.status in {303, 405}


def test_a_browser_prepared_by_an_attacker_keeps_none_of_its_secrets(
    deployment: Deployment, browser: Browser, alice: str
):
    """Session fixation: the attacker has every cookie that the browser has before the sign-in."""
    attacker = Browser(deployment.http)
    attacker.get("/sign-in")
    browser.cookies = dict(attacker.cookies)
    browser.sign_in()
    assert not set(browser.cookies.values()) & set(attacker.cookies.values())
    assert attacker.get("/account").location.startswith("/sign-in")


def test_signing_in_over_a_planted_session_ends_it(
    deployment: Deployment, browser: Browser, alice: str, app: App
):
    """Else what the person allows would count for the account of the attacker."""
    deployment.user("mallory", ["reader"])
    mallory = Browser(deployment.http)
    mallory.sign_in("mallory")
    deployment.clock.move(timedelta(seconds=1))
    browser.cookies["__Host-session"] = mallory.cookies["__Host-session"]
    asked = browser.get("/oauth2/authorize", **app.request(prompt="login"))
    page = browser.follow(asked)
    signed_in = browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    assert "Signed in as alice" in browser.follow(signed_in).text
    assert mallory.get("/account").location.startswith("/sign-in")


def test_of_many_clicks_on_allow_one_gives_a_code(
    deployment: Deployment, browser: Browser, alice: str, asked: PageSeen
):
    page = browser.submit(browser.follow(asked), "/sign-in", username="alice", password=PASSWORD)
    form = {**browser.follow(page).form("/consent").fields, "decision": "allow"}
    cookies = dict(browser.cookies)

    def click(_: int) -> bool:
        same = Browser(deployment.http)
        same.cookies = dict(cookies)
        return "code=" in same.post("/consent", form).response.headers.get("location", "")

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(click, range(8))) == 1
