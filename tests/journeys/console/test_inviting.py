"""A person is invited in the console, and signs in."""

from typing import TYPE_CHECKING

from tests.builders import PASSWORD
from tests.chromium import in_chromium
from tests.journeys.console.person import PersonAtConsole
from tests.journeys.running_issuer import RunningIssuer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = in_chromium


def test_a_person_is_invited_sets_a_password_and_is_seen_signed_in(
    person: PersonAtConsole, issuer: RunningIssuer, chromium: "Browser"
):
    issuer.deployment.role("web-runner", ["agents:web:run"])
    person.open("Users")
    person.follow("New user")
    person.type(User_name="grace", Name="Grace Example")
    person.tick("web-runner")
    person.type(At_the_audience="my-os")
    person.press("Create user")
    assert person.heading == "The user grace is created."
    link = person.page.locator("code.secret").inner_text()
    person.follow("Go to grace")
    assert "invited" in person.heading
    assert person.row("web-runner").get_by_text("my-os").first.is_visible()

    context = chromium.new_context(java_script_enabled=False)
    grace = PersonAtConsole(issuer.url, context.new_page())
    grace.page.goto(link)
    assert grace.heading == "Welcome, Grace Example"
    grace.type(Password=PASSWORD, Password_again=PASSWORD)
    grace.press("Set password")
    assert grace.page.url == f"{issuer.url}/account"
    grace.go("/console")
    assert grace.heading == "The console is for administrators"
    assert grace.problems == []

    person.page.reload()
    assert person.heading == "Grace Example active"
    sessions = person.page.get_by_role("group", name="Sessions")
    assert sessions.get_by_text("127.0.0.1").is_visible()
    person.press("Sign out everywhere")
    person.press("Sign out everywhere")
    grace.go("/account")
    grace.sign_in("grace")
    assert grace.page.url == f"{issuer.url}/account"
    context.close()
