"""`/invitation/…`."""

import json
import logging
from datetime import timedelta

import httpx
import pytest

from issuer.sign_in import InvitationFields
from issuer.telemetry import logs
from tests.builders import URL, Deployment
from tests.sign_in.people import People
from tests.users.hashing import CountedHashes
from tests.web.browsing import Browser, PageSeen, path_of

NEW = "a password that bob has chosen"


@pytest.fixture
def bob(deployment: Deployment) -> str:
    return deployment.user("bob", password=None, name="Bob <b>")


@pytest.fixture
def link(deployment: Deployment, bob: str) -> str:
    return invited(deployment, bob)


def invited(deployment: Deployment, user_id: str) -> str:
    with deployment.changing() as work:
        return work.invitations.create(user_id, InvitationFields()).url.removeprefix(URL)


def accept(browser: Browser, link: str, **typed: str) -> PageSeen:
    form = {"new_password": NEW, "repeated": NEW, **typed}
    return browser.submit(browser.get(link), link, **form)


def test_an_invited_user_sets_a_password_and_is_signed_in(browser: Browser, link: str):
    page = browser.get(link)
    assert "Welcome, Bob <b>" in page.text
    assert browser.follow(accept(browser, link)).status == httpx.codes.OK
    assert Browser(browser._http).sign_in("bob", NEW).location == "/account"


def test_somebody_with_rights_at_the_issuer_begins_in_the_console(
    deployment: Deployment, browser: Browser, people: People
):
    deployment.role("auditor", ["issuer:audit:read"])
    for username in ("carol", "dave"):
        user_id = deployment.user(username, ["auditor"], password=None)
        with deployment.changing() as work:
            url = work.invitations.create(user_id, InvitationFields()).url
        if username == "dave":
            people.app_of(user_id)
            assert accept(browser, path_of(url)).location.endswith("?next=%2Fconsole")
        else:
            assert accept(browser, path_of(url)).location == "/console"


def test_it_works_once(browser: Browser, link: str):
    page = browser.get(link)
    accept(browser, link)
    again = Browser(browser._http)
    assert "does not work any more" in again.get(link).text
    late = browser.submit(page, link, new_password=NEW, repeated=NEW)
    assert late.status == httpx.codes.BAD_REQUEST


def test_looking_at_it_uses_nothing_up(browser: Browser, link: str):
    for _ in range(3):
        assert browser.get(link).status == httpx.codes.OK


def test_it_expires(deployment: Deployment, browser: Browser, link: str):
    deployment.clock.move(timedelta(hours=73))
    assert "does not work any more" in browser.get(link).text


@pytest.mark.parametrize("token", ["x", "aiv_" + "a" * 51, "%00"])
def test_an_unknown_link_says_what_to_do(browser: Browser, token: str):
    page = browser.get(f"/invitation/{token}")
    assert page.status in {httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"repeated": "other"}, "This is not the same."),
        ({"new_password": "short", "repeated": "short"}, "12 to 256 characters"),
    ],
)
def test_an_error_uses_nothing_up(
    browser: Browser, link: str, typed: dict[str, str], sentence: str
):
    page = accept(browser, link, **typed)
    assert sentence in page.text
    assert accept(browser, link).location == "/account"


def test_a_new_password_that_is_refused_costs_no_hash(deployment: Deployment, browser: Browser):
    link = invited(deployment, deployment.user("invited.person", password=None))
    hashes = CountedHashes(deployment)
    page = accept(browser, link, new_password="invited.person", repeated="invited.person")
    assert "may not be the user name" in page.text
    assert hashes.number == 0


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "1/minute"}])
def test_hashes_of_new_passwords_are_limited(deployment: Deployment, browser: Browser, bob: str):
    accept(browser, invited(deployment, bob))
    again = invited(deployment, bob)
    deployment.clock.now = deployment.clock.now.replace(second=1)
    page = accept(browser, again)
    assert "Too many attempts" in page.text
    assert page.status == httpx.codes.TOO_MANY_REQUESTS
    assert int(page.response.headers["retry-after"]) == 59
    deployment.clock.move(timedelta(minutes=1))
    assert accept(browser, again).location == "/account"


def test_a_form_of_another_site_does_nothing(browser: Browser, link: str):
    fields = browser.get(link).form(link).fields
    form = {**fields, "new_password": NEW, "repeated": NEW}
    assert browser.post(link, form, {"Origin": "https://evil.example"}).status == 403
    assert accept(browser, link).location == "/account"


def test_a_second_factor_stays(browser: Browser, people: People, bob: str, link: str):
    people.app_of(bob)
    assert accept(browser, link).location == "/sign-in/second-factor"


SECRET = f"aiv_{'Xy7' * 17}"
LOGGED = {
    f"/invitation/{SECRET}": "/invitation/***",
    f"/issuer/invitation/{SECRET}/more": "/issuer/invitation/***",
    f"/INVITATION/{SECRET}": "/INVITATION/***",
    f"//invitation//{SECRET}": "//invitation/***",
    f"/invitation%2F{SECRET}": "/invitation/***",
    f"/%2569nvitation%252F{SECRET}": "/invitation/***",
    f"/invitation;{SECRET}": "/invitation***",
    f"/inviting/{SECRET}": "/inviting/aiv_***",
    "/" + "%25" * 200: ("/" + "%25" * 200)[:256],
    "/admin/v1/users/alice/invitation": "/admin/v1/users/alice/invitation",
    "/admin/v1/audiences/a%252Fb": "/admin/v1/audiences/a%252Fb",
}


@pytest.mark.parametrize(("path", "logged"), LOGGED.items())
def test_the_link_is_in_no_log_however_it_is_written(path: str, logged: str):
    scope = {"type": "http", "method": "GET", "path": path, "client": ("192.0.2.1", 1)}
    token = logs.request_scope.set(scope)
    try:
        line = json.loads(logs.JsonLines().format(logging.makeLogRecord({"msg": "Asked"})))
    finally:
        logs.request_scope.reset(token)
    assert line["path"] == logged
