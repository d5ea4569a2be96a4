"""Signing out here goes on to the provider of the session (OpenID RP-Initiated Logout 1.0)."""

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import BROWSER, App
from tests.sign_in.fake_provider import COMPANY, FakeProvider, sign_in_elsewhere
from tests.web.browsing import Browser, PageSeen

END = f"{COMPANY}/logout"
BYE = "https://app.example/bye"


@pytest.fixture
def provider(deployment: Deployment, alice: str) -> FakeProvider:
    """The account of alice there is linked here."""
    provider = FakeProvider.trusted(deployment)
    provider.metadata = {"end_session_endpoint": END}
    provider.link(alice)
    return provider


def sign_out(browser: Browser) -> PageSeen:
    return browser.submit(browser.get("/sign-out"), "/sign-out")


def sent_to(page: PageSeen) -> dict[str, str]:
    """The parameters with which the browser is sent to the endpoint there."""
    assert page.location.startswith(f"{END}?"), page.location
    return dict(parse_qsl(urlsplit(page.location).query))


def is_signed_in(browser: Browser) -> bool:
    return browser.get("/account").status == 200


def test_signing_out_here_goes_on_to_the_provider_and_comes_back(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    """§2. The session here has ended before."""
    sign_in_elsewhere(browser, provider)
    asked = len(provider.asked)
    sent = sent_to(sign_out(browser))
    assert not is_signed_in(browser)
    assert len(events(deployment, "session.ended")) == 1
    assert sent.pop("id_token_hint").count(".") == 2
    state = sent.pop("state")
    assert sent == {"client_id": "issuer", "post_logout_redirect_uri": f"{URL}/sign-out"}
    assert len(provider.asked) == asked  # nothing was fetched for it
    back = browser.get("/sign-out", state=state)
    assert "You are signed out" in back.text
    assert "still signed in" not in back.text


def test_the_page_that_asks_may_lead_to_the_provider(browser: Browser, provider: FakeProvider):
    """Chromium applies `form-action` to the redirect after the form."""
    sign_in_elsewhere(browser, provider)
    policy = browser.get("/sign-out").response.headers["content-security-policy"]
    assert "form-action" not in policy


def test_the_hint_is_the_id_token_of_that_sign_in(browser: Browser, provider: FakeProvider):
    sent: list[str] = []
    provider.edit = lambda token: sent.append(token) or token
    sign_in_elsewhere(browser, provider)
    assert [sent_to(sign_out(browser))["id_token_hint"]] == sent


def test_a_large_id_token_is_not_kept_and_the_person_is_named_instead(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    provider.claims |= {"preferred_username": "alice@company.example", "more": "x" * 4_000}
    sign_in_elsewhere(browser, provider)
    sent = sent_to(sign_out(browser))
    assert "id_token_hint" not in sent
    assert (sent["client_id"], sent["logout_hint"]) == ("issuer", "alice@company.example")


def test_what_is_kept_is_sealed(deployment: Deployment, browser: Browser, provider: FakeProvider):
    sign_in_elsewhere(browser, provider)
    user_id = events(deployment, "session.began")[-1].target
    (session,) = deployment.services.people.sessions.of_user(str(user_id))
    assert session.provider_sign_out
    assert COMPANY not in session.provider_sign_out
    assert "ey" not in session.model_dump_json()
    with deployment.services.administration.reading() as work:
        shown = work.item
    assert session.provider_sign_out not in repr(session) + repr(shown)


NOT_THERE: dict[str, Any] = {
    "no endpoint": {"end_session_endpoint": None},
    "no https": {"end_session_endpoint": "http://login.company.example/logout"},
    "no URL": {"end_session_endpoint": ["x"]},
}


@rows(("metadata",), {name: (each,) for name, each in NOT_THERE.items()})
def test_without_an_endpoint_there_the_page_says_that_one_stays_signed_in(
    deployment: Deployment, browser: Browser, provider: FakeProvider, metadata: dict[str, Any]
):
    provider.metadata = metadata
    deployment.services.provider_sign_in._providers._metadata.clear()
    sign_in_elsewhere(browser, provider)
    page = sign_out(browser)
    assert page.location == "/sign-out?still=company"
    assert "You are still signed in at company." in browser.follow(page).text


def test_an_administrator_may_leave_people_signed_in_there(
    browser: Browser, provider: FakeProvider
):
    """Also for sessions that had begun before."""
    sign_in_elsewhere(browser, provider)
    provider.change(sign_in={"sign_out": False})
    page = browser.follow(sign_out(browser))
    assert "You are still signed in at company." in page.text


def test_a_trusted_issuer_that_was_changed_is_not_gone_to(browser: Browser, provider: FakeProvider):
    """The ID token was issued to another client there."""
    sign_in_elsewhere(browser, provider)
    provider.change(sign_in={"client_id": "other"})
    assert sign_out(browser).location == "/sign-out?still=company"


def test_a_session_that_began_here_ends_here_alone(browser: Browser, provider: FakeProvider):
    browser.sign_in()
    page = sign_out(browser)
    assert page.location == "/sign-out"
    assert "still" not in browser.follow(page).text


def test_a_forged_link_names_no_issuer_that_is_not_trusted(
    browser: Browser, provider: FakeProvider
):
    for name in ("nobody", "<b>company</b>", "x" * 5_000):
        page = browser.get("/sign-out", still=name)
        assert (page.status, "still signed in" in page.text) == (200, False)


@pytest.fixture
def leaving(deployment: Deployment, app: App) -> App:
    with deployment.changing() as work:
        work.clients.update("app", {"post_logout_redirect_uris": [BYE]})
    return app


def id_token_of(browser: Browser, app: App) -> str:
    asked = browser.get("/oauth2/authorize", **app.request(resource="my-os", scope="openid"))
    if asked.location.startswith("/consent"):
        form = browser.get(asked.location)
        asked = browser.submit(form, "/consent", decision="allow")
    code = dict(parse_qsl(urlsplit(asked.location).query))["code"]
    token: str = app.redeem(code).body["id_token"]
    return token


def logout(browser: Browser, hint: str, **more: str) -> PageSeen:
    back = {"post_logout_redirect_uri": BYE, "state": "of the app"}
    return browser.get("/oauth2/logout", id_token_hint=hint, **back, **more)


def test_an_application_gets_the_person_back_after_the_provider(
    deployment: Deployment, browser: Browser, provider: FakeProvider, leaving: App
):
    sign_in_elsewhere(browser, provider)
    there = logout(browser, id_token_of(browser, leaving))
    state = sent_to(there)["state"]
    assert state != "of the app"
    assert not is_signed_in(browser)
    assert browser.get("/sign-out", state=state).location == f"{BYE}?state=of+the+app"


def test_an_application_that_is_asked_about_gets_the_person_back_too(
    browser: Browser, provider: FakeProvider, leaving: App
):
    """It shows an ID token of another session: the person confirms first."""
    sign_in_elsewhere(browser, provider)
    hint = id_token_of(browser, leaving)
    sign_out(browser)
    sign_in_elsewhere(browser, provider)
    page = browser.get(logout(browser, hint).location)
    state = sent_to(browser.submit(page, "/sign-out"))["state"]
    assert browser.get("/sign-out", state=state).location == f"{BYE}?state=of+the+app"


def test_a_return_counts_once_and_only_in_the_browser_that_left(
    deployment: Deployment, browser: Browser, provider: FakeProvider, leaving: App
):
    sign_in_elsewhere(browser, provider)
    state = sent_to(logout(browser, id_token_of(browser, leaving)))["state"]
    forged = [
        (Browser(deployment.http), state),
        (browser, state[:-1]),
        (browser, state.upper() + "x"),
        (browser, ""),
        (browser, "../" + state),
    ]
    for whose, text in forged:
        page = whose.get("/sign-out", state=text)
        assert (page.status, "You are signed out" in page.text) == (200, True)
    assert browser.get("/sign-out", state=state).location.startswith(BYE)
    assert browser.get("/sign-out", state=state).status == 200


def test_a_request_that_still_asks_is_no_return(
    browser: Browser, provider: FakeProvider, leaving: App
):
    """Another site that knew its id could skip the question otherwise."""
    sign_in_elsewhere(browser, provider)
    hint = id_token_of(browser, leaving)
    sign_out(browser)
    sign_in_elsewhere(browser, provider)
    asking = logout(browser, hint).location
    page = browser.get("/sign-out", state=asking.partition("request=")[2])
    assert "Sign out?" in page.text
    assert is_signed_in(browser)


def test_a_return_after_ten_minutes_is_a_page(
    deployment: Deployment, browser: Browser, provider: FakeProvider, leaving: App
):
    sign_in_elsewhere(browser, provider)
    state = sent_to(logout(browser, id_token_of(browser, leaving)))["state"]
    deployment.clock.move(timedelta(minutes=11))
    assert "You are signed out" in browser.get("/sign-out", state=state).text


def test_the_language_of_the_application_stays(
    browser: Browser, provider: FakeProvider, leaving: App
):
    sign_in_elsewhere(browser, provider)
    hint = id_token_of(browser, leaving)
    there = browser.get("/oauth2/logout", id_token_hint=hint, ui_locales="de")
    back = browser.get("/sign-out", state=sent_to(there)["state"])
    assert "Sie sind abgemeldet" in back.text


def test_a_session_that_goes_on_by_a_password_still_ends_at_the_provider(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    sign_in_elsewhere(browser, provider)
    sessions = deployment.services.people.sessions
    (session,) = sessions.of_user(alice)
    user = deployment.services.tokens.directory.load_user(alice)
    assert user is not None
    _, cookie = sessions.begin(user, ("pwd",), BROWSER, renewing=session)
    browser.cookies["__Host-session"] = cookie
    assert sent_to(sign_out(browser))["client_id"] == "issuer"
