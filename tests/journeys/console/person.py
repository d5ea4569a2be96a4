"""Somebody at the console, in Chromium without JavaScript."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from issuer.audit import Actor
from issuer.composition import Composition, compose
from issuer.http.cookies import SESSION, Cookies
from tests.builders import PASSWORD, ClockBehind
from tests.journeys.running_issuer import RunningIssuer

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Locator, Page

# Chromium notes every answer with such a status, also a page that says what to correct.
_REFUSAL = "the server responded with a status of 4"


@dataclass
class PersonAtConsole:
    """`problems` are what the console of the browser says, but for pages that refuse something.

    `typed` is what was typed into fields; what was chosen from a list is not.
    """

    url: str
    page: "Page"
    problems: list[str] = field(default_factory=list)
    typed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(10_000)
        self.page.on("console", lambda message: self._note(message.text))
        self.page.on("pageerror", lambda error: self._note(str(error)))

    @property
    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    @property
    def screen(self) -> str:
        """The words beside the menu."""
        return self.page.locator(".screen").inner_text()

    @property
    def notice(self) -> str:
        """What the page says was just done, or whether something is allowed."""
        return self.page.get_by_role("status").inner_text()

    @property
    def listings(self) -> list[str]:
        """The commands and other texts to copy."""
        return self.page.locator("pre").all_inner_texts()

    def go(self, path: str) -> None:
        self.page.goto(f"{self.url}{path}")

    def open(self, entry: str) -> None:
        """From the menu."""
        self.page.get_by_label("Console").get_by_role("link", name=entry, exact=True).click()

    def follow(self, link: str) -> None:
        self.page.get_by_role("link", name=link, exact=True).first.click()

    def follow_in(self, item: str) -> None:
        """The link in the item of a list that has this text."""
        found = self.page.get_by_role("listitem").filter(has_text=item)
        found.get_by_role("link").click()

    def unfold(self, summary: str) -> None:
        self.page.locator("summary", has_text=summary).first.click()

    def press(self, button: str) -> None:
        self.page.get_by_role("button", name=button, exact=True).click()

    def type(self, **values: str) -> None:
        """By the labels of the fields, with underscores for spaces."""
        for label, value in values.items():
            self.fill(label.replace("_", " "), value)

    def fill(self, label: str, value: str) -> None:
        """Or choose it from a list."""
        field = self.page.get_by_label(label, exact=True)
        if field.evaluate("each => each.tagName") == "SELECT":
            field.select_option(label=value)
        else:
            field.fill(value)
            self.typed.append(value)

    def tick(self, label: str) -> None:
        self.page.get_by_label(label, exact=True).check()

    def row(self, text: str) -> "Locator":
        """The row of a table that has this text."""
        return self.page.get_by_role("row").filter(has_text=text)

    def sign_in(self, username: str) -> None:
        self.type(User_name=username, Password=PASSWORD)
        self.press("Sign in")

    def _note(self, text: str) -> None:
        if _REFUSAL not in text:
            self.problems.append(text)


def let_in(context: "BrowserContext", services: Composition, user_id: str) -> None:
    """Give the browser a session of that user, who signed in just now."""
    user = services.tokens.directory.load_user(user_id)
    assert user is not None
    _, cookie = services.people.sessions.begin(user, ["pwd"], Actor(user_id))
    url = services.settings.url
    context.add_cookies([{"name": Cookies(url).name(SESSION), "value": cookie, "url": url}])


@contextmanager
def in_the_past(issuer: RunningIssuer, ago: timedelta) -> Iterator[Composition]:
    """The parts of the issuer with a clock that is behind by `ago`."""
    services = compose(issuer.settings, ClockBehind(ago))
    try:
        yield services
    finally:
        services.database.dispose()
