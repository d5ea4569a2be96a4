"""`issuer quickstart`, and the first sign-in of its administrator."""

import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from tests.builders import PASSWORD
from tests.chromium import in_chromium
from tests.cli.driver import running
from tests.journeys.console.person import PersonAtConsole
from tests.journeys.running_issuer import reserved_port

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

LAST_LINE = "the next quickstart uses the same data."

pytestmark = in_chromium


def test_the_administrator_of_quickstart_sets_a_password_and_arrives_at_the_console(
    database_url: str, tmp_path: Path, context: "BrowserContext"
):
    environment = {"ISSUER_DATABASE_URL": database_url}
    with (
        reserved_port() as port,
        running(tmp_path / "home", environment, "quickstart", "--port", str(port)) as program,
    ):
        url, link = told(program.output_with(LAST_LINE))
        person = PersonAtConsole(url, context.new_page())
        person.page.goto(link)
        assert person.heading == "Welcome"
        person.type(Password=PASSWORD, Password_again=PASSWORD)
        person.press("Set password")
        assert (person.page.url, person.heading) == (f"{url}/console", "Overview")
        person.follow("Sign out")
        person.press("Sign out")
        person.page.goto(link)
        assert person.page.get_by_label("Password").count() == 0
        person.go("/console")
        person.sign_in("admin")
        assert (person.page.url, person.heading) == (f"{url}/console", "Overview")
        assert person.problems == []
        program.stopped(signal.SIGINT)


def told(text: str) -> tuple[str, str]:
    """The URL of the issuer, and the link of the invitation."""
    found = re.search(r"The console is at (\S+)/console\. The user admin .*:\n  (\S+)\n", text)
    assert found
    return found[1], found[2]
