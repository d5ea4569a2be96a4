"""Every screen, full of long names: on a phone, in both themes, for axe, and by keyboard."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

import issuer.web
from issuer.server.own_routes import own_routes
from tests.chromium import in_chromium, violations
from tests.journeys.console.keyboard import not_reached
from tests.journeys.console.person import PersonAtConsole, let_in
from tests.journeys.console.screens import (
    EXPLAIN,
    FILES,
    MORE_THAN_A_PAGE,
    REVIEW,
    ROLES,
    SCREENS,
    ScreenSeen,
    populate,
)
from tests.journeys.running_issuer import RunningIssuer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = in_chromium
TEMPLATES = Path(issuer.web.__file__).parent / "templates" / "console"
EXTENDED = {"base", "form", "list", "resource"}
# These have buttons to copy or to print something, which need a script.
SCRIPTED = {"credentials", "invitation_link", "configuration_applied", "access_review"}
SUGGESTING = {"client", "edit_client", "edit_user", "form", "group", "users"}
PHONE = {"width": 390, "height": 844}
MAX_BYTES = 30 * 1024
UNFOLD = "document.querySelectorAll('details').forEach(each => each.open = true)"
TOO_SMALL = """() => [
  ...document.querySelectorAll("a, button, input:not([type=hidden]), select, textarea, summary")
].filter((each) => {
  const box = (each.closest("label") || each).getBoundingClientRect();
  const beside = [...each.parentElement.childNodes].filter((other) => other !== each);
  const isInText = each.tagName === "A" && beside.some((other) => other.textContent.trim());
  return box.height > 0 && box.height < 24 && !isInText && !each.closest(".skip");
}).map((each) => each.outerHTML.slice(0, 120))"""
FIELDS = """() => [
  ...document.querySelectorAll(".screen :is(input, select):not([type=hidden])")
].map((each) => (each.closest("label") || each).getBoundingClientRect().height)"""
A4_LANDSCAPE = {"width": 1032, "height": 703}  # with margins of 12 mm
DARK = "rgb(24, 25, 27)"
CUT = """() => [document.documentElement, ...document.querySelectorAll(".table, th, td, h1, p")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => each.outerHTML.slice(0, 120))"""
LOADED = "performance.getEntriesByType('resource').map(each => each.name.split('/').pop())"

on_sqlite = pytest.mark.parametrize("issuer", ["sqlite"], indirect=True, scope="module")
each_screen = pytest.mark.parametrize("screen", SCREENS, ids=str)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
in_both_themes = pytest.mark.parametrize("theme", THEMES)


class Visits:
    """Ada's visits of screens, each in a browser of its own."""

    def __init__(self, chromium: "Browser", issuer: RunningIssuer, user_id: str) -> None:
        self.chromium = chromium
        self.issuer = issuer
        self.user_id = user_id
        self.ids = populate(issuer.deployment)

    @contextmanager
    def of(
        self, screen: ScreenSeen, theme: Literal["light", "dark"] = "light", **options: Any
    ) -> Iterator[PersonAtConsole]:
        context = self.chromium.new_context(color_scheme=theme, viewport=PHONE, **options)
        let_in(context, self.issuer.deployment.services, self.user_id)
        person = PersonAtConsole(self.issuer.url, context.new_page())
        screen.open(person.page, person.url, self.ids)
        person.page.evaluate(UNFOLD)
        yield person
        context.close()


@pytest.fixture(scope="module")
def visits(chromium: "Browser", issuer: RunningIssuer, ada: str) -> Visits:
    return Visits(chromium, issuer, ada)


def test_no_screen_is_forgotten():
    """tests/admin/test_explain_own_api.py compares the list of routes with the running app."""
    routes = own_routes("", has_metrics=False, has_registration=False, has_mail=False)
    paths = {each.path for each in routes if each.path.startswith("/console")}
    assert {each.route for each in SCREENS} == paths - FILES
    shown = {each.shows for each in SCREENS}
    assert shown | EXTENDED == {path.stem for path in TEMPLATES.glob("[!_]*.html")}


@on_sqlite
@each_screen
def test_a_screen_needs_no_script_fits_a_phone_and_is_reached_by_keyboard(
    visits: Visits, screen: ScreenSeen
):
    with visits.of(screen, java_script_enabled=False) as person:
        scripts = {"copy.js"} if screen.shows in SCRIPTED else set()
        if screen.shows in SUGGESTING or person.page.locator("[data-suggest]").count():
            scripts.add("console.js")
        for theme in THEMES:
            person.page.emulate_media(color_scheme=theme)
            assert person.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        assert person.problems == []
        assert set(person.page.evaluate(LOADED)) <= {"style.css", "icon.svg"} | scripts
        assert len(gzip.compress(person.page.content().encode())) <= MAX_BYTES
        assert not_reached(person.page) == []


@on_sqlite
@each_screen
def test_axe_finds_nothing_and_what_can_be_pressed_is_at_least_24_pixels_high(
    visits: Visits, screen: ScreenSeen
):
    """But for links within a text (WCAG 2.2 §2.5.8).

    axe at the end of the page, where Save covers no field: above, it stays at the window's edge.
    """
    with visits.of(screen) as person:
        assert person.page.evaluate(TOO_SMALL) == []
        person.page.evaluate("scrollTo(0, document.body.scrollHeight)")
        for theme in THEMES:
            person.page.emulate_media(color_scheme=theme)
            assert violations(person.page) == []


@on_sqlite
def test_fields_are_44_pixels_high_on_a_touch_screen(visits: Visits):
    for screen in ScreenSeen("explain", EXPLAIN), ScreenSeen("roles", ROLES, f"{ROLES}?new=yes"):
        with visits.of(screen, has_touch=True, is_mobile=True) as person:
            assert min(person.page.evaluate(FIELDS)) >= 44


@on_sqlite
@in_both_themes
def test_the_access_review_fits_on_paper(visits: Visits, theme: Literal["light", "dark"]):
    """In dark letters, without menu and buttons, and with no column cut."""
    screen = ScreenSeen("access_review", f"{REVIEW}/access")
    with visits.of(screen, theme, java_script_enabled=False) as person:
        person.page.set_viewport_size(A4_LANDSCAPE)
        person.page.emulate_media(media="print")
        assert person.page.evaluate(CUT) == []
        assert person.page.evaluate("getComputedStyle(document.body).color") == DARK
        assert not person.page.get_by_role("link", name="Overview").is_visible()
        assert not person.page.get_by_role("link", name="Sign out").is_visible()
        assert not person.page.get_by_role("link", name="Next page").is_visible()
        assert person.page.get_by_role("row").count() > MORE_THAN_A_PAGE
