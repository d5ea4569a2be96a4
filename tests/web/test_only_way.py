"""Where a trusted issuer is the only way to sign in: invitations, earlier sessions, others."""

import pytest

from issuer.errors import NotAllowed
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.sign_in.fake_provider import SUBJECT, FakeProvider, begin, sign_in_elsewhere
from tests.sign_in.people import People
from tests.web.browsing import Browser

NEW = "a password that carol has chosen"
ONLY = "Sign in with company. Only administrators sign in here without it."


@pytest.fixture
def provider(deployment: Deployment) -> FakeProvider:
    return FakeProvider.trusted(deployment)


@pytest.fixture
def boss(deployment: Deployment) -> str:
    deployment.role("boss", ["issuer:admin"])
    return deployment.user("ada", ["boss"])


def invited(deployment: Deployment, user_id: str) -> str:
    with deployment.changing() as work:
        return work.invitations.create(user_id, InvitationFields()).url.removeprefix(URL)


def test_a_session_that_began_in_another_way_opens_nothing_any_more(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str, boss: str
):
    provider.link(alice)
    browser.sign_in()
    elsewhere, of_boss = Browser(browser._http), Browser(browser._http)
    sign_in_elsewhere(elsewhere, provider)
    of_boss.sign_in("ada")
    provider.change(sign_in={"only": True})
    assert browser.get("/account").location.startswith("/sign-in")
    assert "alice" in elsewhere.get("/account").text
    assert "ada" in of_boss.get("/account").text
    sent = browser.get("/sign-in?next=/account").location
    assert browser.get(provider.authorize(sent)).location == "/account"
    assert "alice" in browser.get("/account").text


def test_an_administrator_who_is_one_no_more_signs_in_there(
    deployment: Deployment, browser: Browser, provider: FakeProvider, boss: str
):
    provider.change(sign_in={"only": True})
    deployment.role("other", ["issuer:admin"])
    deployment.user("eve", ["other"])
    page = browser.get("/sign-in?local=1")
    browser.submit(page, "/sign-in", username="ada", password="correct horse battery staple")
    with deployment.changing() as work:
        work.assignments.unassign(boss, Assignment(role="boss"))
    assert browser.get("/account").location.startswith("/sign-in")


def test_an_invitation_is_accepted_only_with_an_account_there(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    carol = deployment.user("carol", password=None)
    path = invited(deployment, carol)
    before = browser.get(path)
    provider.change(sign_in={"only": True})
    page = browser.get(path)
    assert ONLY in page.text
    assert "Password" not in page.text
    assert "passkey" not in page.text
    late = browser.submit(before, path, new_password=NEW, repeated=NEW)
    assert late.status == 400
    user = deployment.services.tokens.directory.load_user(carol)
    assert user is not None
    assert user.password_hash is None
    assert browser.get(provider.authorize(begin(browser, path))).location == "/account"


def test_an_invitation_of_an_administrator_sets_a_password(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    provider.change(sign_in={"only": True})
    deployment.role("boss", ["issuer:admin"])
    path = invited(deployment, deployment.user("ada", ["boss"], password=None))
    page = browser.get(path)
    assert browser.submit(page, path, new_password=NEW, repeated=NEW).location == "/console"


def test_no_interface_accepts_an_invitation_in_another_way(
    deployment: Deployment, people: People, provider: FakeProvider
):
    provider.change(sign_in={"only": True})
    carol = deployment.user("carol", password=None)
    token = invited(deployment, carol).rpartition("/")[2]
    prepared = deployment.services.sign_in.passwords.prepared(NEW)
    with deployment.changing() as work, pytest.raises(NotAllowed, match="that its page names"):
        work.invitations.accept_with_password(token, prepared)
    with deployment.changing() as work, pytest.raises(NotAllowed, match="that its page names"):
        work.invitations.accept_with_account(token, "okta", SUBJECT, "")
    with deployment.changing() as work:
        work.invitations.accept_with_account(token, "company", SUBJECT, "")


def test_refresh_tokens_of_the_password_grant_give_nothing_meanwhile(
    deployment: Deployment, token_endpoint: TokenDriver, provider: FakeProvider, alice: str
):
    """As the grant itself."""
    app = deployment.client(grant_types=["password", "refresh_token"], user_rights="all")
    first = token_endpoint.password(app, "alice")
    second = token_endpoint.refresh(app, first.refresh_token)
    provider.change(sign_in={"only": True})
    for _ in range(2):  # the first one reads the trusted issuers again
        assert token_endpoint.refresh(app, second.refresh_token).error == "invalid_grant"
    assert token_endpoint.introspect(app, second.refresh_token) == {"active": False}
    provider.change(disabled=True)
    assert token_endpoint.refresh(app, second.refresh_token).status == 200


def test_accounts_at_another_trusted_issuer_sign_nobody_in(
    deployment: Deployment, browser: Browser, alice: str
):
    company = FakeProvider.trusted(deployment)
    other = FakeProvider.trusted(deployment, "other", "https://other.example")
    other.link(alice, issuer_id="other")
    company.change(sign_in={"only": True})
    page = browser.submit(browser.get("/sign-in?local=1"), "/sign-in/with", issuer="other")
    refused = browser.get(other.authorize(page.location))
    assert ONLY in refused.text
    assert "__Host-session" not in browser.cookies
