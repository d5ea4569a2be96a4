"""Each screen and each of its forms, by the table of routes: who sees it, and who may send it."""

from datetime import timedelta
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from issuer.scopes import ISSUER_REGISTER, ISSUER_SCIM, ISSUER_USAGE, covers
from tests.builders import URL, Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.html_forms import FormsOnPage
from tests.sign_in.people import People
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged, person, stored
from tests.web.console.screens import (
    ALL_BUT_ADMIN,
    SCREENS,
    TEXTS,
    TOLD,
    URLS,
    forms,
    routes,
    sent_by,
)

AUDIT = "issuer:audit:read"
RESTRICTED = [path for path, screen in SCREENS.items() if screen.read]
CHANGING = [path for path, screen in SCREENS.items() if screen.write]


def test_every_route_of_the_console_is_tested_here(issuer: Deployment):
    assert SCREENS.keys() == routes(issuer)


@pytest.mark.parametrize("url", URLS)
def test_an_admin_sees_each_screen(boss: Browser, url: str):
    """So that a refusal below is one for lack of a scope. It names the issuer at its top."""
    page = boss.get(url)
    assert page.status == httpx.codes.OK
    if page.response.headers["content-type"].startswith("text/html"):
        assert f"</svg>{urlsplit(URL).netloc}</a>" in page.response.text


@pytest.mark.parametrize("scope", sorted(ALL_BUT_ADMIN))
def test_one_scope_opens_its_own_screens_only(issuer: Deployment, scope: str):
    """And shows no text, button or menu entry that needs another scope."""
    held = frozenset([scope])
    browser = person(issuer, f"only-{scope.replace(':', '-')}", held)
    opens_console = scope not in {ISSUER_REGISTER, ISSUER_SCIM, ISSUER_USAGE}
    for screen in SCREENS.values():
        may_read = opens_console and screen.is_readable(held)
        for url in screen.urls:
            page = browser.get(url)
            html = page.response.text
            if not may_read:
                assert page.status == httpx.codes.FORBIDDEN, url
                assert '<nav class="menu"' not in html
                assert "<form" not in html
            elif "?" not in url:
                assert page.status == httpx.codes.OK, url
            hidden = () if covers(held, AUDIT) else TEXTS.items()
            for needed, texts in hidden:
                may_see = covers(held, needed) or TOLD.get(url) == needed
                assert may_see or not [each for each in texts if each in html], url
            if '<nav class="menu"' in html:
                assert menu_of(html) == entries_for(held), url


@pytest.mark.parametrize("path", RESTRICTED)
def test_a_screen_needs_its_scope_and_nothing_else_will_do(issuer: Deployment, path: str):
    screen = SCREENS[path]
    for number, missing in enumerate(screen.read):
        held = frozenset(each for each in ALL_BUT_ADMIN if not covers([each], missing))
        browser = person(issuer, f"without-{RESTRICTED.index(path)}-{number}", held)
        for url in screen.urls:
            assert browser.get(url).status == httpx.codes.FORBIDDEN, url


@pytest.mark.parametrize("audience", ["my-os", "unknown-os", "not an audience"])
def test_explain_tells_who_may_read_users_alone_nothing_of_clients(
    issuer: Deployment, audience: str
):
    """Also where the question has a mistake."""
    browser = person(issuer, f"explains-{len(audience)}", ["issuer:users:read"])
    asked = {"subject": "wanda", "audience": audience, "method": "GET", "path": "/agents"}
    queries = [urlencode({**asked, "through": each}) for each in ("pipeline", "unknown")]
    pages = [browser.get(f"/console/explain?{each}") for each in queries]
    assert not [each for each in pages if "issuer client" in each.response.text]
    assert pages[0].status == pages[1].status


@pytest.mark.parametrize("path", CHANGING)
def test_a_form_needs_its_scope_and_nothing_else_will_do(
    issuer: Deployment, boss: Browser, path: str
):
    screen = SCREENS[path]
    browser = person(issuer, f"reader-{CHANGING.index(path)}", ALL_BUT_ADMIN - {screen.write})
    before, number = stored(issuer), 0
    for url in screen.urls:
        page = browser.get(url)
        if "?" not in url:
            assert page.status == httpx.codes.OK
            assert 'method="post"' not in page.response.text
        for form in forms(boss, url):
            for fields in sent_by(form):
                refused = forged(issuer, browser, form.action, **fields)
                assert refused.status == httpx.codes.FORBIDDEN, fields
                number += 1
    assert number
    assert stored(issuer) == before


@pytest.mark.parametrize("path", [path for path, each in SCREENS.items() if not each.write])
def test_a_screen_without_forms_takes_none(issuer: Deployment, boss: Browser, path: str):
    before = stored(issuer)
    for url in SCREENS[path].urls:
        page = forged(issuer, boss, url, do="delete", confirmed="yes")
        assert page.status in {httpx.codes.SEE_OTHER, httpx.codes.BAD_REQUEST}, url
    assert stored(issuer) == before


@pytest.mark.parametrize("url", URLS)
def test_nothing_is_changed_by_opening_a_url(issuer: Deployment, boss: Browser, url: str):
    before = stored(issuer)
    form = {"do": "delete", "confirmed": "yes", "cascade": "yes", "typed": "reader", "name": "new"}
    boss.get(url.partition("?")[0], **form)
    assert stored(issuer) == before


@pytest.mark.parametrize("url", URLS)
def test_an_unknown_person_signs_in_first(issuer: Deployment, url: str):
    browser = Browser(issuer.http)
    assert browser.get(url).location.startswith("/sign-in?next=%2Fconsole")
    sent = forged(issuer, browser, url.partition("?")[0], do="delete", confirmed="yes")
    assert sent.location.startswith("/sign-in?next=%2Fconsole")


def test_a_session_opens_nothing_before_its_second_factor_or_after_its_end(
    deployment: Deployment, clock: FakeClock, signed_in: SignedIn
):
    browser = signed_in("issuer:admin")
    assert browser.get("/console").status == httpx.codes.OK
    clock.move(timedelta(days=100))
    with deployment.services.administration.reading() as work:
        user_id = work.users.get_by_username("operator").id
    People(deployment, clock).app_of(user_id)
    half = Browser(deployment.http)
    assert half.sign_in("operator").location.startswith("/sign-in/second-factor")
    for each in (half, browser):
        for url in URLS:
            assert each.get(url).location.startswith("/sign-in?next="), url


@pytest.mark.parametrize("loss", ["unassigned", "disabled", "changed"])
def test_rights_that_end_while_a_screen_is_open_no_longer_count(issuer: Deployment, loss: str):
    browser = person(issuer, loss, ["issuer:roles:write"])
    page = browser.get("/console/roles", new="yes")
    with issuer.changing() as work:
        user_id = work.users.get_by_username(loss).id
        if loss == "disabled":
            work.users.update(user_id, {"disabled": True})
        elif loss == "unassigned":
            (held,) = work.assignments.of(user_id)
            work.assignments.unassign(user_id, held)
        else:
            work.roles.update(f"{loss}-role", {"scopes": ["issuer:roles:read"]})
    before = stored(issuer)
    sent = browser.submit(page, "/console/roles", name="mine")
    assert sent.status == httpx.codes.FORBIDDEN or sent.location.startswith("/sign-in")
    assert stored(issuer) == before


def test_a_cookie_does_not_count_for_the_admin_api_nor_a_token_for_the_console(
    issuer: Deployment, boss: Browser
):
    """Browsers send cookies with requests of other sites, which have no anti-forgery token."""
    header = "; ".join(f"{name}={value}" for name, value in boss.cookies.items())
    answer = issuer.http.get("/admin/v1/roles", headers={"Cookie": header})
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    token = TokenDriver(issuer.http).client_credentials(issuer.admin).token
    issuer.http.cookies.clear()
    headers = {"Authorization": f"Bearer {token}"}
    answer = issuer.http.get("/console", headers=headers, follow_redirects=False)
    assert answer.status_code == httpx.codes.SEE_OTHER


def menu_of(html: str) -> list[str]:
    menu = html.partition('<nav class="menu"')[2].partition("</nav>")[0]
    return sorted(word.strip() for word in FormsOnPage(f"<nav{menu}").words if word.strip())


def entries_for(held: frozenset[str]) -> list[str]:
    return sorted(each.entry for each in SCREENS.values() if each.entry and each.is_readable(held))
