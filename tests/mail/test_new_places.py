"""A note about a sign-in from an address that is new for the person."""

from datetime import timedelta

import pytest

from issuer.audit import Actor
from issuer.errors import InvalidCredentials
from issuer.users.guard import KNOWN_FOR
from tests.builders import PASSWORD, Deployment
from tests.mail.sending import events, link_in, wait_for_mail
from tests.mail.smtp_server import SmtpReceiver
from tests.sign_in.people import People
from tests.web.browsing import Browser

HOME, CAFE, TRAIN = "192.0.2.1", "198.51.100.7", "203.0.113.9"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture
def ada(deployment: Deployment) -> str:
    return deployment.user("ada", id="ada-id", email="ada@example.com", email_verified=True)


def sign_in(deployment: Deployment, address: str, password: str = PASSWORD, **how: bool) -> None:
    actor = Actor(None, "r-1", address, user_agent=FIREFOX)
    deployment.services.sign_in.sign_in.authenticate("ada", password, actor, **how)
    wait_for_mail(deployment)


def test_the_person_is_told_when_from_where_and_what_to_do(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    sign_in(deployment, HOME)
    assert receiver.is_empty, "not about the very first sign-in"
    sign_in(deployment, CAFE)
    message = receiver.next()
    assert (message["Subject"], message["To"]) == ("New sign-in at id.example", "ada@example.com")
    text = message.get_content()
    assert "Time: 2026-11-25 12:00 UTC" in text
    assert f"Address: {CAFE}" in text
    assert "Browser: Firefox on Linux" in text
    assert link_in(text) == "/account"
    (sent,) = events(deployment, "mail.sent")
    assert (sent.target, dict(sent.details)) == (ada, {"kind": "new_place"})


def test_an_address_is_new_once(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    for address in (HOME, CAFE, CAFE, HOME, CAFE):
        sign_in(deployment, address)
    assert receiver.messages.qsize() == 1


def test_a_network_is_told_of_once_a_day(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    """A phone gets another address of its network again and again."""
    sign_in(deployment, HOME)
    for number in range(2, 5):
        sign_in(deployment, f"198.51.100.{number}")
    assert receiver.messages.qsize() == 1
    deployment.clock.move(timedelta(days=1))
    sign_in(deployment, "198.51.100.5")
    assert receiver.messages.qsize() == 2


def test_a_wrong_password_tells_nobody(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    sign_in(deployment, HOME)
    with pytest.raises(InvalidCredentials):
        sign_in(deployment, CAFE, "wrong")
    wait_for_mail(deployment)
    assert receiver.is_empty


def test_with_a_second_factor_the_sign_in_counts_when_it_is_complete(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    people = People(deployment, deployment.clock)
    app = people.app_of(ada)
    assert people.check(ada, app.code(), Actor(None, "r", HOME)) == "done"
    sign_in(deployment, CAFE, is_all=False)
    assert receiver.is_empty, "the password alone opens nothing"
    deployment.wait(timedelta(minutes=1))
    assert people.check(ada, app.code(), Actor(None, "r", CAFE, user_agent=FIREFOX)) == "done"
    wait_for_mail(deployment)
    assert f"Address: {CAFE}" in receiver.next().get_content()


def test_a_password_that_an_application_presents_says_nothing_of_a_place(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    sign_in(deployment, HOME)
    sign_in(deployment, CAFE, through_client=True)
    assert receiver.is_empty


def test_addresses_are_forgotten_and_then_nothing_is_new(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    sign_in(deployment, HOME)
    deployment.clock.move(KNOWN_FOR)
    sign_in(deployment, CAFE)
    assert receiver.is_empty


def test_only_a_verified_address_is_told(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    with deployment.changing() as work:
        work.users.update(ada, {"email_verified": False})
    sign_in(deployment, HOME)
    sign_in(deployment, TRAIN)
    assert receiver.is_empty


def test_the_browser_of_a_page_is_named(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    sign_in(deployment, HOME)
    browser = Browser(deployment.http)
    page = browser.get("/sign-in")
    form = {**page.form("/sign-in").fields, "username": "ada", "password": PASSWORD}
    assert browser.post("/sign-in", form, {"User-Agent": FIREFOX}).location == "/account"
    assert "Browser: Firefox on Linux" in receiver.next().get_content()
