"""Authorization requests that do not fit into a cookie, and travel in forms and URLs."""

from datetime import timedelta
from random import Random
from string import ascii_letters, digits, punctuation

import pytest

from tests.builders import PASSWORD, Deployment
from tests.sign_in.authorizing import App, returned, rows
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen

SECOND_FACTOR = "/sign-in/second-factor"
LONGEST_LINE = 8_000  # with the rest of the request line, what many servers and proxies accept
NOTHING = "There is nothing to continue here"


def text(length: int, characters: str = ascii_letters + digits + punctuation) -> str:
    return "".join(Random(7).choices(characters, k=length))


@pytest.fixture
def longest(app: App) -> dict[str, str]:
    """Every parameter at its limit, of characters that do not compress."""
    return app.request(
        resource="my-os", scope="openid", state=text(4_096), nonce=text(1_950, ascii_letters)
    )


def finished(page: PageSeen, longest: dict[str, str]) -> str:
    """The code with which the browser returns to the application."""
    answer = returned(page.response)
    assert answer["state"] == longest["state"]
    return answer["code"]


def test_the_longest_request_passes_every_page(
    browser: Browser, app: App, alice: str, people: People, longest: dict[str, str]
):
    phone = people.app_of(alice)
    asked = browser.get("/oauth2/authorize", **longest)
    assert len(asked.location) < LONGEST_LINE
    page = browser.follow(asked)
    assert page.response.headers["referrer-policy"] == "strict-origin"
    for name, value in browser.cookies.items():
        assert len(name + value) < 200
    page = browser.submit(page, "/sign-in", username="alice", password="wrong")
    page = browser.follow(browser.submit(page, "/sign-in", username="alice", password=PASSWORD))
    page = browser.submit(page, SECOND_FACTOR, code="000000")
    page = browser.follow(browser.submit(page, SECOND_FACTOR, code=phone.code()))
    assert "wants to act for you" in page.text
    again = browser.get("/sign-in", switch="1", request=page.form("/consent").fields["request"])
    assert again.form("/sign-in").fields["request"] == page.form("/consent").fields["request"]
    page = browser.submit(page, "/consent", decision="allow")
    code = finished(page, longest)
    assert app.redeem(code).status == 200
    assert not [name for name in browser.cookies if "request" in name]


def test_the_longest_request_can_be_denied(browser: Browser, alice: str, longest: dict[str, str]):
    page = browser.follow(browser.get("/oauth2/authorize", **longest))
    page = browser.submit(page, "/sign-in", decision="deny")
    answer = returned(page.response)
    assert (answer["error"], answer["state"]) == ("access_denied", longest["state"])


def test_a_long_request_belongs_to_the_browser_that_sent_it(
    deployment: Deployment, browser: Browser, alice: str, longest: dict[str, str]
):
    """Nobody can be made to finish the request of somebody else (RFC 9700 §4.7)."""
    begun = browser.get("/oauth2/authorize", **longest).location
    victim = Browser(deployment.http)
    victim.sign_in()
    assert NOTHING in victim.get(begun).text
    other = victim.get("/oauth2/authorize", **longest).location
    request_id, _, sealed = other.partition("request=")[2].partition(".")
    theirs = begun.partition("request=")[2].partition(".")
    for named in (
        request_id,
        f"{request_id}.{theirs[2]}",
        f"{theirs[0]}.{sealed}",
        f"{request_id}.{sealed[:-1]}",
        f"{request_id}.",
    ):
        assert NOTHING in victim.get("/consent", request=named).text, named[:80]
    assert "wants to act for you" in victim.get("/consent", request=f"{request_id}.{sealed}").text


def test_a_long_request_expires_and_ends_like_any_other(
    deployment: Deployment, browser: Browser, alice: str, longest: dict[str, str]
):
    """A GET consumes nothing; what is finished cannot be opened again."""
    browser.sign_in()
    before = rows(deployment)
    page = browser.follow(browser.get("/oauth2/authorize", **longest))
    page = browser.get("/consent", request=page.form("/consent").fields["request"])
    assert rows(deployment) == before
    named = page.form("/consent").fields["request"]
    finished(browser.submit(page, "/consent", decision="allow"), longest)
    assert NOTHING in browser.get("/consent", request=named).text
    named = browser.get("/oauth2/authorize", **longest, prompt="consent").location
    deployment.clock.move(timedelta(minutes=10))
    assert NOTHING in browser.get(named).text


def test_long_requests_of_several_tabs_are_kept(
    deployment: Deployment, browser: Browser, alice: str, longest: dict[str, str]
):
    begun = []
    for _ in range(6):
        begun.append(browser.get("/oauth2/authorize", **longest).location)
        deployment.clock.move(timedelta(seconds=1))
    assert NOTHING in browser.get(begun[0]).text
    for each in begun[1:]:
        assert "Sign in to" in browser.get(each).text
