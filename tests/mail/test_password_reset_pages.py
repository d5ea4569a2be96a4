"""`/password-reset`: the same page for every name, and the page that the link opens."""

from datetime import timedelta

import httpx
import pytest

from issuer.rate_limits.request_limits import PER_NETWORK
from tests.builders import PASSWORD, Deployment
from tests.mail.sending import link_in, wait_for_mail
from tests.mail.smtp_server import SmtpReceiver
from tests.sign_in.authorizing import App, sign_in
from tests.web.browsing import Browser, PageSeen
from tests.web.conftest import app  # noqa: F401 - a fixture
from tests.web.test_attacks import EVIL

PAGE = "/password-reset"
NEW = "a password that ada has chosen"


@pytest.fixture
def browser(deployment: Deployment) -> Browser:
    return Browser(deployment.http)


@pytest.fixture
def ada(deployment: Deployment) -> str:
    return deployment.user("ada", email="ada@example.com", email_verified=True)


def ask(browser: Browser, name: str) -> PageSeen:
    return browser.submit(browser.get(PAGE), PAGE, username=name)


def test_somebody_who_forgot_the_password_sets_another_one(
    browser: Browser, deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    assert "Forgot your password?" in browser.get("/sign-in").text
    session = sign_in(deployment, ada)
    sent = browser.follow(ask(browser, "ada@example.com"))
    assert "Check your mail" in sent.text
    link = link_in(receiver.next().get_content())
    page = browser.get(link)
    assert "For the user name ada" in page.text
    assert page.response.headers["cache-control"] == "no-store"
    wrong = browser.submit(page, link, new_password=NEW, repeated="other")
    assert (wrong.status, "This is not the same" in wrong.text) == (400, True)
    short = browser.submit(page, link, new_password="short", repeated="short")
    assert "must have 12 to 256 characters" in short.text
    done = browser.submit(page, link, new_password=NEW, repeated=NEW)
    assert done.location.startswith("/sign-in?")
    assert "Your password is changed" in browser.follow(done).text
    assert deployment.services.people.sessions.find(session.cookie) is None
    assert browser.sign_in("ada", PASSWORD).status == httpx.codes.BAD_REQUEST
    assert browser.sign_in("ada", NEW).location == "/account"
    again = browser.get(link)
    assert (again.status, "does not work any more" in again.text) == (400, True)


def test_every_name_has_the_same_answer_before_anybody_looks_at_it(
    browser: Browser, deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    """Whether there is such a user shows neither in the answer nor in when it comes."""
    with deployment.services.database.changing():
        # What looks a user up waits for this transaction, and the answers do not.
        names = ("ada", "ada@example.com", "nobody", "ä@ö", "@" * 5_000)
        answers = [ask(browser, name) for name in names]
    seen = {(each.status, each.location, each.response.content) for each in answers}
    assert len(seen) == 1
    pages = {browser.follow(each).text for each in answers}
    assert len(pages) == 1
    wait_for_mail(deployment)
    assert receiver.messages.qsize() == 2


def test_a_name_is_needed(browser: Browser):
    page = ask(browser, " ")
    assert (page.status, "Enter your user name" in page.text) == (400, True)


def test_requests_of_an_address_are_limited(
    browser: Browser, deployment: Deployment, receiver: SmtpReceiver
):
    for _ in range(PER_NETWORK.most):
        assert ask(browser, "nobody").status == httpx.codes.SEE_OTHER
    page = ask(browser, "nobody")
    assert page.status == httpx.codes.TOO_MANY_REQUESTS
    assert page.response.headers["retry-after"]
    assert "nobody" in page.response.text, "nothing typed is lost"
    deployment.clock.move(timedelta(minutes=1))
    assert ask(browser, "nobody").status == httpx.codes.SEE_OTHER


def test_the_way_back_leads_to_the_application(browser: Browser, app: App):  # noqa: F811
    asked = browser.follow(browser.get("/oauth2/authorize", **app.request(resource="my-os")))
    assert "Forgot your password?" in asked.text
    request = asked.form("/sign-in").fields["request"]
    page = browser.get(PAGE, request=request)
    assert f"/sign-in?request={request}" in page.response.text
    sent = browser.submit(page, PAGE, username="ada")
    assert f"request={request}" in sent.location


def test_the_link_is_not_logged(
    browser: Browser, ada: str, receiver: SmtpReceiver, caplog: pytest.LogCaptureFixture
):
    ask(browser, "ada")
    link = link_in(receiver.next().get_content())
    page = browser.get(link)
    browser.submit(page, link, new_password=NEW, repeated=NEW)
    assert link.rpartition("/")[2] not in caplog.text


def test_a_form_of_another_site_asks_for_nothing(browser: Browser, receiver: SmtpReceiver):
    fields = {**browser.get(PAGE).form(PAGE).fields, "username": "ada"}
    assert browser.post(PAGE, fields, {"Origin": "https://evil.example"}).status == 403
    assert browser.post(PAGE, {"username": "ada"}).status in {303, 400}


def test_no_parameter_sends_a_browser_elsewhere(browser: Browser):
    for name in ("next", "request", "done"):
        for evil in EVIL:
            page = browser.get(PAGE, **{name: evil})
            assert f'href="{evil}' not in page.response.text
            sent = browser.submit(page, PAGE, username="nobody")
            assert sent.location.startswith(f"{PAGE}?sent=yes")


@pytest.mark.parametrize("more_settings", [{}])
def test_without_a_mail_server_there_are_no_such_pages(browser: Browser):
    assert "Forgot" not in browser.get("/sign-in").text
    for path in (PAGE, f"{PAGE}/x"):
        assert browser.get(path).status == httpx.codes.NOT_FOUND
