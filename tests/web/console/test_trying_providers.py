"""Trying a sign-in at a trusted issuer before people see its button."""

import pytest

from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.sign_in.fake_provider import FakeProvider, as_json, refusing
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn

PAGE, TRY = "/console/trusted-issuers/company", "/sign-in/try"


@pytest.fixture
def provider(deployment: Deployment) -> FakeProvider:
    return FakeProvider.trusted(deployment, shown=False, name="Acme", groups_claim="groups")


def attempt(admin: Browser, provider: FakeProvider, **answer: str | None) -> PageSeen:
    asked = admin.get(TRY, issuer="company")
    sent = admin.submit(asked, TRY)
    return admin.follow(admin.get(provider.authorize(sent.location, **answer)))


def test_an_administrator_reads_whom_it_vouches_for_and_that_nobody_is_linked(
    admin: Browser, provider: FakeProvider, deployment: Deployment
):
    assert "Try it" in admin.get(PAGE).text
    assert "Try to sign in with Acme?" in admin.get(TRY, issuer="company").text
    provider.claims |= {"name": "Grace", "groups": ["staff"]}
    page = attempt(admin, provider)
    assert page.response.url.path == PAGE
    assert "It works: you are Grace there (sub 00u1a2b3), in the groups staff." in page.text
    assert "A sign-in would be refused: no user is linked to the account" in page.text
    assert "nothing was changed" in page.text


def test_nothing_is_stored_where_a_user_would_be_made(
    admin: Browser, provider: FakeProvider, deployment: Deployment
):
    provider.change(sign_in={"provision": True})
    provider.claims |= {"preferred_username": "grace"}
    page = attempt(admin, provider)
    assert "A sign-in would be that of a new user grace." in page.text
    with deployment.services.administration.reading() as work:
        assert not work.users.search("grace", 1)
    assert not events(deployment, "identity.provisioned")


def test_a_refusal_is_told_with_its_reason_and_audited(
    admin: Browser, provider: FakeProvider, deployment: Deployment
):
    provider.endpoints["/token"] = lambda: as_json({"error": "invalid_client"}, 401)
    page = attempt(admin, provider)
    assert "It failed: the token endpoint answered invalid_client." in page.text
    assert "The client id or the client secret is wrong" in page.text
    (failed,) = events(deployment, "sign_in.failed")
    assert failed.details["trusted_issuer"] == "company"


def test_one_that_cannot_be_reached_is_told_with_the_cause(
    admin: Browser, provider: FakeProvider, deployment: Deployment
):
    provider.endpoints["/.well-known/openid-configuration"] = refusing("no such host")
    page = admin.follow(admin.submit(admin.get(TRY, issuer="company"), TRY))
    assert page.response.url.path == PAGE
    assert "It failed: " in page.text
    assert "no such host" in page.text


@pytest.mark.parametrize("scopes", [["issuer:trusted-issuers:write"], ["issuer:users:write"]])
def test_others_cannot_try_it(signed_in: SignedIn, provider: FakeProvider, scopes: list[str]):
    assert signed_in(*scopes).get(TRY, issuer="company").location.startswith("/account")


def test_nobody_signs_in_where_the_button_is_hidden(
    deployment: Deployment, provider: FakeProvider, alice: str
):
    provider.link(alice)
    browser = Browser(deployment.http)
    page = browser.get("/sign-in")
    assert "Continue with" not in page.text
    form = page.form("/sign-in").fields
    kept = {name: form[name] for name in form if name == "form"}
    assert browser.post("/sign-in/with", {**kept, "issuer": "company"}).location == "/sign-in"
    provider.change(sign_in={"shown": True})
    assert "Continue with Acme" in browser.get("/sign-in").text


def test_a_trial_counts_only_in_the_session_that_began_it(
    admin: Browser, provider: FakeProvider, deployment: Deployment
):
    sent = admin.submit(admin.get(TRY, issuer="company"), TRY)
    del admin.cookies["__Host-session"]
    page = admin.get(provider.authorize(sent.location))
    assert "cannot be finished here" in page.text
    assert "__Host-session" not in admin.cookies
