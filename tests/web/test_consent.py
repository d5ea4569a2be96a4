"""`/consent`."""

import httpx
import pytest

from tests.builders import PASSWORD, Deployment
from tests.inspection.inspected import inspected
from tests.sign_in.authorizing import CALLBACK, App, returned
from tests.web.browsing import Browser, PageSeen


@pytest.fixture
def consent(browser: Browser, alice: str, asked: PageSeen) -> PageSeen:
    browser.sign_in()
    return browser.follow(browser.get(asked.location))


def test_the_page_says_who_asks_for_what_where_and_for_how_long(consent: PageSeen):
    text = consent.text
    assert "Reports wants to act for you at my-os" in text
    assert "See all agents" in text
    assert "Run the agent web" in text
    assert "app.example" in text
    assert (
        "until you sign out. After 30 days, or 8 hours without a visit to these pages, you" in text
    )
    assert "What it may not do, although you may" in text
    assert "See all sessions and their messages" in text


def test_agents_have_the_names_that_the_last_inspection_found(
    deployment: Deployment, browser: Browser, alice: str, asked: PageSeen
):
    inspected(deployment, agents={"web": "Web <b>search</b>", "other": "Other"})
    browser.sign_in()
    page = browser.follow(browser.get(asked.location))
    assert "Run the agent Web <b>search</b> web" in page.text
    assert "<b>search" not in page.response.text
    assert "Other" not in page.text


@pytest.fixture
def agents(deployment: Deployment) -> None:
    """Two clients that act for people whose tokens are for my-os."""
    deployment.audience("archive", name="Archive", resources=["https://archive.example"])
    deployment.audience("vault")
    rules = [{"from": "my-os", "to": "archive"}, {"from": "my-os", "to": "vault"}]
    elsewhere = {"issuer": "https://login.example", "resource": "urn:mcp", "client_id": "ours"}
    elsewhere["scopes"] = ["tools:call", "files.read"]
    deployment.client(
        "agents",
        name="Agents",
        audiences=["archive", "vault"],
        may_act=rules,
        external_audiences=[elsewhere],
    )
    deployment.client("mailer", audiences=["archive"], may_act=rules[:1])


def test_the_page_says_who_else_may_act_for_the_person_and_where(agents: None, consent: PageSeen):
    text = consent.text
    assert "May act for you at" in text
    assert "Archive (archive.example) , through Agents, mailer" in text
    assert "vault, through Agents" in text
    assert "login.example (https://login.example) , through Agents urn:mcp : " in text
    assert "files.read , tools:call" in text
    assert "at another server, that server decides" in text


def test_the_page_says_nothing_where_nobody_else_may_act(consent: PageSeen):
    assert "May act for you at" not in consent.text


def test_a_client_that_begins_to_act_while_the_page_is_open_is_told_first(
    deployment: Deployment, browser: Browser, consent: PageSeen
):
    deployment.audience("archive")
    rule = [{"from": "my-os", "to": "archive"}]
    deployment.client("agents", audiences=["archive"], may_act=rule)
    page = browser.submit(consent, "/consent", decision="allow")
    assert page.status == httpx.codes.CONFLICT
    assert "archive, through agents" in page.text
    done = browser.submit(page, "/consent", decision="allow")
    assert "code" in returned(done.response)


def test_the_account_says_what_may_be_done_elsewhere_with_it(
    agents: None, browser: Browser, consent: PageSeen
):
    browser.submit(consent, "/consent", decision="allow")
    text = browser.get("/account").text
    assert "With it, Agents may act for you at login.example urn:mcp : files.read , tools" in text


def test_allowing_gives_the_application_a_code(browser: Browser, app: App, consent: PageSeen):
    done = browser.submit(consent, "/consent", decision="allow")
    assert done.location.startswith(f"{CALLBACK}?")
    answer = app.redeem(returned(done.response)["code"])
    assert answer.scope == {"agents:read", "agents:web:run"}


def test_denying_tells_the_application(browser: Browser, consent: PageSeen):
    done = browser.submit(consent, "/consent", decision="deny")
    assert returned(done.response)["error"] == "access_denied"


def test_what_was_allowed_is_not_asked_again(browser: Browser, app: App, consent: PageSeen):
    browser.submit(consent, "/consent", decision="allow")
    again = browser.get("/oauth2/authorize", **app.request(resource="my-os"))
    assert "code" in returned(again.response)


def test_a_form_without_its_token_allows_nothing(browser: Browser, consent: PageSeen):
    fields = consent.form("/consent").fields | {"form": "x"}
    page = browser.post("/consent", {**fields, "decision": "allow"})
    assert page.location.startswith("/consent?request=")
    assert "wants to act for you" in browser.follow(page).text


@pytest.mark.parametrize("decision", ["", "yes"])
def test_no_decision_is_none(browser: Browser, consent: PageSeen, decision: str):
    page = browser.submit(consent, "/consent", decision=decision)
    assert page.location.startswith("/consent?request=")


def test_nobody_allows_more_than_the_page_said(
    deployment: Deployment, browser: Browser, alice: str, consent: PageSeen
):
    with deployment.changing() as work:
        work.roles.update("reader", {"scopes": ["agents:read", "agents:run"]})
    page = browser.submit(consent, "/consent", decision="allow")
    assert page.status == httpx.codes.CONFLICT
    assert "Run and see all agents" in page.text
    assert "has just changed" in page.text
    done = browser.submit(page, "/consent", decision="allow")
    assert "code" in returned(done.response)


def test_the_back_button_and_a_second_click_do_nothing(browser: Browser, consent: PageSeen):
    browser.submit(consent, "/consent", decision="allow")
    again = browser.submit(consent, "/consent", decision="allow")
    assert again.status == httpx.codes.BAD_REQUEST
    assert "nothing to continue" in again.text


def test_another_user_in_another_tab_allows_nothing(
    deployment: Deployment, browser: Browser, consent: PageSeen
):
    deployment.user("bob", ["reader"])
    browser.submit(browser.get("/sign-out"), "/sign-out")
    browser.sign_in("bob")
    page = browser.submit(consent, "/consent", decision="allow")
    assert "Signed in as bob" in browser.follow(page).text


def test_signed_out_meanwhile(browser: Browser, consent: PageSeen):
    browser.cookies.pop("__Host-session")
    page = browser.follow(browser.submit(consent, "/consent", decision="allow"))
    assert "Sign in to Reports" in page.text


def test_a_page_without_a_request_says_what_to_do(browser: Browser, alice: str):
    browser.sign_in()
    assert "nothing to continue" in browser.get("/consent").text
    assert "nothing to continue" in browser.get("/consent", request="unknown").text


def test_the_redirect_is_not_stopped_by_the_policy(browser: Browser, consent: PageSeen):
    assert "form-action" not in consent.response.headers["content-security-policy"]


def test_the_name_of_an_application_cannot_reorder_the_words_beside_it(
    deployment: Deployment, browser: Browser, alice: str, asked: PageSeen
):
    """A client that registers itself chooses its name."""
    with deployment.changing() as work:
        work.clients.update("app", {"name": "Mail\u202egnihton od ot"})
    browser.sign_in()
    page = browser.follow(browser.get(asked.location))
    assert "Mail\\u202egnihton od ot wants to act for you" in page.text
    assert "\u202e" not in page.response.text


def test_names_from_outside_are_text(
    deployment: Deployment, browser: Browser, alice: str, app: App
):
    markup = "<script>alert(1)</script>"
    with deployment.changing() as work:
        work.clients.update("app", {"name": markup})
        work.audiences.update("my-os", {"name": markup})
    rule = [{"from": "my-os", "to": "my-os"}]
    deployment.client("agents", name=f"{markup}\u202e", may_act=rule)
    browser.sign_in()
    page = browser.follow(browser.get("/oauth2/authorize", **app.request(resource="my-os")))
    assert f"through {markup}\\u202e" in page.text
    assert markup not in page.response.text


def test_an_unknown_redirect_uri_is_explained_to_its_developer(browser: Browser, app: App):
    """RFC 6749 §4.1.2.1: a page, never a redirect."""
    given = "https://app.example/other<b>"
    page = browser.get("/oauth2/authorize", **app.request(redirect_uri=given))
    assert page.status == httpx.codes.BAD_REQUEST
    assert given in page.text
    assert CALLBACK in page.text
    assert "RFC 6749" in page.text
    assert "frame-ancestors 'none'" in page.response.headers["content-security-policy"]


def test_signing_in_and_allowing_in_one_go(browser: Browser, alice: str, app: App, asked: PageSeen):
    page = browser.follow(asked)
    page = browser.follow(browser.submit(page, "/sign-in", username="alice", password=PASSWORD))
    done = browser.submit(page, "/consent", decision="allow")
    assert app.redeem(returned(done.response)["code"]).status == httpx.codes.OK


def test_the_page_says_that_the_token_tells_who_the_user_is(
    deployment: Deployment, browser: Browser, alice: str, asked: PageSeen
):
    with deployment.changing() as work:
        work.audiences.update("my-os", {"include_profile": True})
    browser.sign_in()
    text = browser.follow(browser.get(asked.location)).text
    assert "See your name and user name" in text
    assert "See your e-mail address" in text
