"""Accounts at trusted issuers on the account page and in invitations."""

import asyncio
from contextlib import suppress
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import event

from issuer.sign_in import InvitationFields
from tests.builders import PASSWORD, URL, Deployment
from tests.oauth.refreshing import events
from tests.sign_in.fake_provider import (
    SUBJECT,
    FakeProvider,
    begin,
    reasons,
    sign_in_elsewhere,
)
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen

LINK = "/account/link?issuer=company"


@pytest.fixture
def provider(deployment: Deployment) -> FakeProvider:
    return FakeProvider.trusted(deployment)


def link(browser: Browser, provider: FakeProvider) -> PageSeen:
    """Confirm it on the page, sign in there, and come back."""
    location = browser.submit(browser.get(LINK), "/account/link").location
    return browser.get(provider.authorize(location))


def linked(deployment: Deployment, user_id: str) -> list[tuple[str, str]]:
    with deployment.services.administration.reading() as work:
        return [(each.issuer, each.subject) for each in work.identities.of_user(user_id)]


def test_a_person_links_an_account_and_signs_in_with_it(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    browser.sign_in()
    page = browser.get("/account")
    assert "Link an account to sign in with it as well. company Link" in page.text
    assert "You can sign in here with these accounts." not in page.text
    page = browser.follow(link(browser, provider))
    assert "The account is linked" in page.text
    assert "You can sign in here with these accounts. company" in page.text
    assert "Link an account" not in page.text
    assert linked(deployment, alice) == [("company", SUBJECT)]
    assert sign_in_elsewhere(Browser(browser._http), provider).location == "/account"


def test_linking_needs_a_fresh_sign_in(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    browser.sign_in()
    form = browser.get(LINK)
    deployment.clock.move(timedelta(minutes=10))
    assert browser.get(LINK).location.startswith("/sign-in?next=%2Faccount%2Flink")
    assert browser.submit(form, "/account/link").location.startswith("/sign-in?next=")


def test_a_link_that_was_begun_is_finished_in_a_fresh_session_only(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    browser.sign_in()
    deployment.clock.move(timedelta(minutes=9, seconds=59))
    location = browser.submit(browser.get(LINK), "/account/link").location
    deployment.clock.move(timedelta(seconds=1))
    page = browser.get(provider.authorize(location))
    assert page.status == httpx.codes.BAD_REQUEST
    assert "you signed in more than ten minutes ago" in page.text
    assert "cannot be trusted" not in page.text
    assert linked(deployment, alice) == []


def test_a_trusted_issuer_that_was_changed_meanwhile_gave_no_wrong_answer(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    browser.sign_in()
    location = browser.submit(browser.get(LINK), "/account/link").location
    back = provider.authorize(location)
    provider.change(issuer="https://login.elsewhere.example")
    page = browser.get(back)
    assert page.status == httpx.codes.BAD_REQUEST
    assert "The settings for company were changed here after you began" in page.text
    assert "cannot be trusted" not in page.text
    assert reasons(deployment) == ["the trusted issuer was changed since the sign-in began"]
    assert linked(deployment, alice) == []


def test_an_account_is_linked_to_who_began_it(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    """Somebody else signed in in this browser meanwhile."""
    deployment.user("bob", ["reader"])
    browser.sign_in()
    location = browser.submit(browser.get(LINK), "/account/link").location
    browser.submit(browser.get("/sign-in?switch=1"), "/sign-in", username="bob", password=PASSWORD)
    page = browser.get(provider.authorize(location))
    assert page.status == httpx.codes.BAD_REQUEST
    assert reasons(deployment) == ["the session in which an account is linked has ended"]
    assert linked(deployment, alice) == []


def test_an_account_of_somebody_else_is_not_linked(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    bob = deployment.user("bob", ["reader"])
    provider.link(bob)
    browser.sign_in()
    page = link(browser, provider)
    assert "linked to a user already" in page.text
    assert linked(deployment, alice) == []
    assert "linked to a user already" in (reasons(deployment)[0] or "")


def test_an_account_without_the_required_claims_is_not_linked(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    provider.change(sign_in={"required_claims": {"hd": "company.example"}})
    browser.sign_in()
    assert "may not be used here" in link(browser, provider).text
    assert linked(deployment, alice) == []


def test_a_person_unlinks_an_account(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    identity = provider.link(alice)
    elsewhere = Browser(browser._http)
    sign_in_elsewhere(elsewhere, provider)
    browser.sign_in()
    page = browser.get(f"/account/unlink?identity={identity}")
    assert "Unlink your account at company?" in page.text
    done = browser.follow(browser.submit(page, "/account/unlink"))
    assert "The account is unlinked" in done.text
    assert linked(deployment, alice) == []
    assert elsewhere.get("/account").location.startswith("/sign-in")


def test_the_only_way_to_sign_in_stays_linked(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    carol = deployment.user("carol", password=None)
    identity = provider.link(carol)
    provider.claims["auth_time"] = int(deployment.clock().timestamp())
    sign_in_elsewhere(browser, provider)
    page = browser.get(f"/account/unlink?identity={identity}")
    refused = browser.submit(page, "/account/unlink")
    assert "Set a password first" in refused.text
    assert linked(deployment, carol) == [("company", SUBJECT)]


def test_an_account_of_another_user_cannot_be_unlinked(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    bob = deployment.user("bob")
    identity = provider.link(bob)
    browser.sign_in()
    page = browser.get(f"/account/unlink?identity={identity}")
    assert page.location == "/account?done=gone"
    assert linked(deployment, bob) == [("company", SUBJECT)]


def invited(deployment: Deployment, user_id: str) -> str:
    with deployment.changing() as work:
        return work.invitations.create(user_id, InvitationFields()).url.removeprefix(URL)


def test_an_invitation_is_accepted_with_an_account_elsewhere(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    carol = deployment.user("carol", password=None)
    path = invited(deployment, carol)
    page = browser.get(provider.authorize(begin(browser, path)))
    assert page.location == "/account"
    assert linked(deployment, carol) == [("company", SUBJECT)]
    assert "does not work any more" in browser.get(path).text
    (accepted,) = events(deployment, "invitation.accepted")
    assert accepted.target == carol


def test_after_a_refused_password_the_event_loop_does_not_query(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    """The page has a button for each trusted issuer, which may not be in memory."""
    path = invited(deployment, deployment.user("carol", password=None))
    form = browser.get(path)
    deployment.services.tokens.directory.forget(-1)
    queries: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        with suppress(RuntimeError):
            asyncio.get_running_loop()
            queries.append(statement)

    engine = deployment.services.database.engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        refused = browser.submit(form, path, new_password="short", repeated="short")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert refused.status == httpx.codes.BAD_REQUEST
    assert "Continue with company" in refused.text
    assert queries == []


def test_an_invitation_that_was_used_meanwhile_links_nothing(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    carol = deployment.user("carol", password=None)
    path = invited(deployment, carol)
    location = begin(browser, path)
    with deployment.changing() as work:
        work.invitations.delete(carol)
    page = browser.get(provider.authorize(location))
    assert "The account was not linked" in page.text
    assert linked(deployment, carol) == []


def test_an_invitation_does_not_replace_a_second_factor(
    deployment: Deployment, browser: Browser, people: People, provider: FakeProvider, alice: str
):
    """An account elsewhere that says that it used two factors would be enough."""
    path = invited(deployment, alice)
    location = begin(browser, path)
    people.app_of(alice)
    assert "Continue with" not in browser.get(path).text
    page = browser.get(provider.authorize(location))
    assert "This user has a second factor" in page.text
    assert linked(deployment, alice) == []


def test_somebody_refused_by_the_issuer_keeps_the_invitation(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    provider.change(sign_in={"required_claims": {"hd": "company.example"}})
    carol = deployment.user("carol", password=None)
    path = invited(deployment, carol)
    page = browser.get(provider.authorize(begin(browser, path)))
    assert "may not be used here" in page.text
    assert linked(deployment, carol) == []
    assert "Welcome" in browser.get(path).text
