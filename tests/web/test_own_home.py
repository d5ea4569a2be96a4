"""`/account` begins with what the person may use, and ends with what happened to their account."""

from datetime import timedelta

import httpx
import pytest

from issuer.roles import Assignment
from tests.builders import URL, Deployment
from tests.inspection.inspected import inspected
from tests.web.browsing import Browser
from tests.web.outline import Outline


def assign(deployment: Deployment, user_id: str, role: str, **where: object) -> None:
    with deployment.changing() as work:
        work.assignments.assign(user_id, Assignment(role=role, **where))


@pytest.fixture
def bob(deployment: Deployment, browser: Browser) -> str:
    user_id = deployment.user("bob")
    browser.sign_in("bob")
    return user_id


def usable_to(browser: Browser) -> str:
    text = browser.get("/account").text
    return text.partition("What you may use")[2].partition("Your profile")[0].strip()


def test_an_agentos_is_named_with_what_one_may_run_there_and_until_when(
    deployment: Deployment, browser: Browser, bob: str
):
    deployment.audience("prod", name="Production", url="https://os.example.com")
    inspected(deployment, "prod", agents={"web": "Web search", "secret": "Secret plans"})
    deployment.role("runner", ["agents:web:run", "agents:read", "sessions:delete"])
    end = deployment.clock() + timedelta(hours=6)
    assign(deployment, bob, "runner", audience="prod", expires_at=end)
    assert usable_to(browser) == "Production prod Run the agent Web search web Ends in 6 hours"
    links = Outline(browser.get("/account").response.text).of("a")
    assert {"href": "https://os.example.com"} in links


def test_a_right_to_all_is_said_in_words_and_tells_no_names(
    deployment: Deployment, browser: Browser, bob: str
):
    inspected(deployment, agents={"secret": "Secret plans"})
    deployment.role("all-agents", ["agents:run"])
    assign(deployment, bob, "all-agents")
    assert usable_to(browser) == "my-os Run all agents"


def test_where_nothing_may_be_run_the_rest_is_said(
    deployment: Deployment, browser: Browser, bob: str
):
    deployment.role("auditor", ["traces:read"])
    assign(deployment, bob, "auditor", audience="my-os")
    assert usable_to(browser) == "my-os See traces"


def test_what_ends_in_part_is_said(deployment: Deployment, browser: Browser, bob: str):
    deployment.role("one", ["agents:a:run"])
    deployment.role("two", ["agents:b:run"])
    assign(deployment, bob, "one", audience="my-os")
    end = deployment.clock() + timedelta(days=2)
    assign(deployment, bob, "two", audience="my-os", expires_at=end)
    assert "The first of it ends in 2 days" in usable_to(browser)
    deployment.clock.move(timedelta(days=2))
    browser.sign_in("bob")
    assert usable_to(browser) == "my-os Run the agent a"


def test_a_group_gives_it_as_well_and_rights_here_are_none(
    deployment: Deployment, browser: Browser, bob: str
):
    assert usable_to(browser).startswith("Nothing yet.")
    deployment.role("admin", ["issuer:admin"])
    assign(deployment, bob, "admin", audience=URL)
    browser = Browser(deployment.http)  # rights here begin with a new sign-in
    browser.sign_in("bob")
    assert usable_to(browser).startswith("Nothing yet.")
    deployment.role("teams", ["teams:run"])
    deployment.group("everybody", [bob], ["teams"])
    assert usable_to(browser) == "my-os Run all teams"


def test_only_so_many_are_looked_at_and_those_that_a_role_names_first(
    deployment: Deployment, browser: Browser, bob: str
):
    for number in range(105):
        deployment.audience(f"os-{number:03d}")
    deployment.role("all-agents", ["agents:run"])
    deployment.role("one-team", ["teams:x:run"])
    assign(deployment, bob, "all-agents")
    assign(deployment, bob, "one-team", audience="os-104")
    text = usable_to(browser)
    assert text.count("Run all agents") == 100
    assert "os-104" in text
    assert "You may use others as well" in text


def test_signing_out_everywhere_else_keeps_this_browser_and_other_people(
    deployment: Deployment, browser: Browser, bob: str
):
    deployment.user("carol")
    others = [Browser(deployment.http) for _ in range(3)]
    for other, name in zip(others, ("bob", "bob", "carol"), strict=True):
        other.sign_in(name)
    page = browser.submit(browser.get("/account"), "/account/sign-out-elsewhere")
    after = browser.follow(page)
    assert "signed out everywhere else" in after.text
    assert "Sign out everywhere else" not in after.text
    answers = [each.get("/account").status for each in others]
    assert answers == [httpx.codes.SEE_OTHER, httpx.codes.SEE_OTHER, httpx.codes.OK]


def last_days(browser: Browser) -> str:
    return browser.get("/account").text.partition("The last 30 days")[2]


def test_what_happened_to_the_account_is_said_without_the_names_of_others(
    deployment: Deployment, browser: Browser, bob: str
):
    Browser(deployment.http).sign_in("bob", "wrong")
    deployment.role("runner", ["agents:run"])
    assign(deployment, bob, "runner")
    deployment.user("carol")
    Browser(deployment.http).sign_in("carol", "wrong too")
    text = last_days(browser)
    assert "You got a role: runner not by you just now A sign-in failed just now" in text
    assert text.count("A sign-in failed") == 1
    assert "operator" not in text
    assert "carol" not in text


def test_what_happened_long_ago_or_to_somebody_else_of_the_same_id_is_not_told(
    deployment: Deployment, browser: Browser
):
    deployment.user("dave", id="the-id")
    Browser(deployment.http).sign_in("dave", "wrong")
    with deployment.changing() as work:
        work.users.delete("the-id")
    deployment.clock.move(timedelta(days=1))
    deployment.user("erin", id="the-id")
    browser.sign_in("erin")
    assert "A sign-in failed" not in last_days(browser)
    Browser(deployment.http).sign_in("erin", "wrong")
    assert "A sign-in failed" in last_days(browser)
    deployment.wait(timedelta(days=31))
    browser.sign_in("erin")
    assert "A sign-in failed" not in last_days(browser)
