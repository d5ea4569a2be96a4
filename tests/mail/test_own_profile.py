"""`/account/profile` and `/account/email`: what people change of themselves, where mail is sent."""

from datetime import timedelta

import httpx
import pytest

from issuer.errors import NotAllowed
from tests.builders import PASSWORD, Deployment, FakeClock
from tests.mail.sending import link_in
from tests.mail.smtp_server import SmtpReceiver
from tests.sign_in.fake_provider import FakeProvider
from tests.web.browsing import Browser, PageSeen

PAGE, PROFILE = "/account/email", "/account/profile"
OLD, NEW = "ada@example.com", "ada@new.example"


@pytest.fixture
def browser(deployment: Deployment) -> Browser:
    return Browser(deployment.http)


@pytest.fixture
def ada(deployment: Deployment, browser: Browser) -> str:
    user_id = deployment.user("ada", email=OLD, email_verified=True)
    browser.sign_in("ada")
    return user_id


def ask(browser: Browser, email: str = NEW) -> PageSeen:
    return browser.submit(browser.get(PAGE), PAGE, email=email)


def address_of(deployment: Deployment, user_id: str) -> tuple[str | None, bool]:
    with deployment.services.administration.reading() as work:
        user = work.users.get(user_id)
    return user.email, user.email_verified


def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(
    deployment: Deployment, browser: Browser, ada: str, receiver: SmtpReceiver
):
    other = Browser(deployment.http)
    other.sign_in("ada")
    assert "on its way" in browser.follow(ask(browser)).text
    message = receiver.next()
    assert message["To"] == NEW
    link = link_in(message.get_content())
    page = browser.get(link)
    assert f"Use {NEW}?" in page.text
    assert address_of(deployment, ada) == (OLD, True)
    assert "profile is changed" in browser.follow(browser.submit(page, link)).text
    assert address_of(deployment, ada) == (NEW, True)
    told = receiver.next()
    assert (told["To"], NEW in told.get_content()) == (OLD, False)
    assert other.get("/account").status == httpx.codes.OK  # it ends nothing
    again = browser.get(link)
    assert (again.status, "does not work any more" in again.text) == (400, True)
    assert 'href="/account"' in again.response.text


def test_a_link_expires_after_an_hour(
    deployment: Deployment, clock: FakeClock, browser: Browser, ada: str, receiver: SmtpReceiver
):
    ask(browser)
    link = link_in(receiver.next().get_content())
    page = browser.get(link)
    clock.move(timedelta(hours=1))
    assert "does not work any more" in browser.submit(page, link).text
    assert address_of(deployment, ada) == (OLD, True)


def test_a_link_is_of_no_use_to_whoever_has_the_address(
    deployment: Deployment, browser: Browser, ada: str, receiver: SmtpReceiver
):
    """Else a mistyped address would give the account to somebody else."""
    ask(browser)
    link = link_in(receiver.next().get_content())
    eve = Browser(deployment.http)
    assert eve.get(link).location.startswith("/sign-in?next=%2Faccount%2Femail%2F")
    deployment.user("eve")
    eve.sign_in("eve")
    assert "does not work any more" in eve.get(link).text
    forged = link[:-4] + ("AAAA" if not link.endswith("AAAA") else "BBBB")
    assert "does not work any more" in browser.get(forged).text


def test_an_open_session_is_not_enough(clock: FakeClock, browser: Browser, ada: str):
    page = browser.get(PAGE)
    clock.move(timedelta(minutes=10))
    assert browser.get(PAGE).location.startswith("/sign-in?next=")
    refused = browser.submit(page, PAGE, email=NEW)
    page = browser.submit(browser.get(refused.location), "/sign-in", password=PASSWORD)
    assert "on its way" in browser.follow(page).text  # it goes on by itself


def test_only_so_many_links_are_sent(browser: Browser, ada: str):
    for _ in range(5):
        assert ask(browser).status == httpx.codes.SEE_OTHER
    page = ask(browser)
    assert (page.status, "as an hour allows" in page.text) == (400, True)


@pytest.mark.parametrize("email", ["ada", "a@b@c", "ada@example.com\nBcc: x@y.example", "a" * 300])
def test_what_is_no_address_is_refused(
    deployment: Deployment, browser: Browser, ada: str, email: str
):
    page = ask(browser, email)
    assert (page.status, "not an e-mail address" in page.text) == (400, True)
    assert address_of(deployment, ada) == (OLD, True)


def test_name_and_language_are_changed_and_audited(
    deployment: Deployment, browser: Browser, ada: str, receiver: SmtpReceiver
):
    page = browser.submit(browser.get(PROFILE), PROFILE, name=" Ada L. ", language="de")
    account = browser.follow(page)
    assert "Ada L." in account.text
    assert account.response.headers["content-language"] == "de"
    with deployment.services.administration.reading() as work:
        user = work.users.get(ada)
        (event,) = work.audit_log.about(ada, 1, ["user.updated"])
    assert (user.name, user.language) == ("Ada L.", "de")
    assert (event.actor, event.details["changed"]) == (ada, ["language", "name"])
    ask(browser)
    assert "Ihre neue Adresse" in receiver.next()["Subject"]
    browser.submit(browser.get(PROFILE), PROFILE, name="Ada L.", language="tlh")
    with deployment.services.administration.reading() as work:
        assert work.users.get(ada).language is None


@pytest.mark.parametrize("name", ["a" * 256, "Ada\x07"])
def test_a_name_that_cannot_be_is_refused(
    deployment: Deployment, browser: Browser, ada: str, name: str
):
    page = browser.submit(browser.get(PROFILE), PROFILE, name=name)
    assert (page.status, "at most 255 characters" in page.text) == (400, True)


def test_what_a_provider_keeps_is_not_changed_here(
    deployment: Deployment, browser: Browser, receiver: SmtpReceiver
):
    company = FakeProvider.trusted(deployment, provision=True)
    company.claims |= {"preferred_username": "grace", "name": "Grace", "email": "g@corp.example"}
    page = browser.submit(browser.get("/sign-in"), "/sign-in/with", issuer="company")
    browser.get(company.authorize(page.location))
    with deployment.services.administration.reading() as work:
        grace = work.users.get_by_username("grace")
    assert "keeps your name and address" in browser.get(PROFILE).text
    form = browser.get(PROFILE).form(PROFILE).fields
    browser.post(PROFILE, {**form, "name": "Root", "language": "fr"})
    with deployment.services.administration.reading() as work:
        after = work.users.get(grace.id)
        with pytest.raises(NotAllowed):
            work.own_profile.ask_for(grace.id, NEW)
    assert (after.name, after.email, after.language) == ("Grace", "g@corp.example", "fr")
