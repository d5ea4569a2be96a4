"""Forms of other sites, other browsers and other pages, and links that lead elsewhere."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.builders import PASSWORD, URL, Deployment
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import form_token, person, stored
from tests.web.console.screens import SCREENS, URLS, forms, sent_by

CHANGING = [path for path, screen in SCREENS.items() if screen.write]
CHANGING += ["/console/configuration", "/console/explain/token"]
FOREIGN: dict[str, dict[str, str]] = {
    "another site": {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
    "another site without metadata": {"Origin": "https://evil.example"},
    "a site of the same domain": {"Sec-Fetch-Site": "same-site"},
    "a sandboxed frame": {"Origin": "null"},
    "another port": {"Origin": f"{URL}:8443"},
    "plain HTTP": {"Origin": URL.replace("https", "http")},
    "a host that begins as ours": {"Origin": f"{URL}.evil.example"},
}
ELSEWHERE = [
    "https://evil.example/console",
    "//evil.example/console",
    r"/\evil.example",
    r"\\evil.example/console",
    "/console//evil.example",
    "/console/..//evil.example",
    "/console/%2e%2e/%2e%2e//evil.example",
    "/console/.%2e//evil.example",
    "/console@evil.example",
    "/consoles.evil.example",
    "/console/\tx",
    "/console\r\nLocation: https://evil.example",
    "javascript:alert(1)",
    "/console?next=//evil.example#//evil.example",
    "console",
    " /console",
]


@dataclass(frozen=True)
class FormSent:
    """A form as a button of a screen sends it, without its token."""

    action: str
    fields: dict[str, str]


def every_form(boss: Browser, path: str) -> Iterator[FormSent]:
    for url in SCREENS[path].urls:
        for form in forms(boss, url):
            for fields in sent_by(form):
                yield FormSent(form.action, fields)


@pytest.mark.parametrize("path", CHANGING)
def test_a_form_without_its_token_changes_nothing(issuer: Deployment, boss: Browser, path: str):
    """Missing, made up, of another screen, of another person, of this browser's last sign-in."""
    mallory = person(issuer, f"mallory-{CHANGING.index(path)}", ["issuer:admin"])
    earlier = Browser(issuer.http)
    earlier.get("/sign-in")
    before = stored(issuer)
    for number, form in enumerate(every_form(boss, path)):
        valid = form_token(issuer, boss, form.action)
        theirs = form_token(issuer, mallory, form.action)
        forged = ["", theirs]
        if number == 0:
            forged += ["x", "é", valid[:-1], valid + "A", valid.swapcase()]
            forged += [form_token(issuer, boss, each) for each in ("/console", f"{form.action}?")]
            forged.append(form_token(issuer, earlier, form.action))
        for each in forged:
            page = boss.post(form.action, {**form.fields, "form": each})
            assert page.location.partition("?")[0] == form.action
            if number == 0:
                assert "nothing was changed" in boss.follow(page).text
    assert stored(issuer) == before


@pytest.mark.parametrize("path", CHANGING)
def test_a_form_of_another_site_changes_nothing_even_with_its_token(
    issuer: Deployment, boss: Browser, path: str
):
    before = stored(issuer)
    for number, form in enumerate(every_form(boss, path)):
        valid = form_token(issuer, boss, form.action)
        senders = [*FOREIGN.items()]
        for sender, headers in senders if number == 0 else [senders[number % len(senders)]]:
            page = boss.post(form.action, {**form.fields, "form": valid}, headers)
            assert page.status == httpx.codes.FORBIDDEN, sender
            assert "This form came from another site" in page.text
    assert stored(issuer) == before


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/json", "multipart/form-data; boundary=x", "", "text/html"],
)
def test_only_forms_are_read(issuer: Deployment, boss: Browser, content_type: str):
    """A page of another site may send the first of these without asking (CORS)."""
    before = stored(issuer)
    fields = {"form": form_token(issuer, boss, "/console/roles"), "name": "mine", "do": "force"}
    page = boss.post("/console/roles", fields, {"Content-Type": content_type})
    assert page.status == httpx.codes.BAD_REQUEST
    assert stored(issuer) == before


def test_a_token_in_the_url_does_not_count(issuer: Deployment, boss: Browser):
    before = stored(issuer)
    valid = form_token(issuer, boss, "/console/roles")
    page = boss.post(f"/console/roles?form={valid}&name=mine", {"name": "mine", "do": "force"})
    assert page.location == "/console/roles"
    assert stored(issuer) == before


def test_a_person_cannot_be_made_to_work_as_somebody_else(issuer: Deployment, boss: Browser):
    """A form that one person opened does not count after another has signed in there."""
    browser = person(issuer, "first", ["issuer:roles:write"])
    issuer.user("second", ["boss-role"])
    opened = browser.get("/console/roles", new="yes")
    browser.submit(browser.get("/sign-out"), "/sign-out")
    browser.sign_in("second")
    assert "second" in browser.get("/console").text
    before = stored(issuer)
    page = browser.submit(opened, "/console/roles", name="mine", do="force")
    assert page.location == "/console/roles"
    assert stored(issuer) == before


@pytest.fixture(scope="module")
def traveller(issuer: Deployment) -> str:
    issuer.user("traveller")
    return "traveller"


@pytest.mark.parametrize("target", ELSEWHERE)
@pytest.mark.parametrize("where", ["in the URL", "in the form"])
def test_signing_in_leads_to_no_page_that_a_link_chose(
    issuer: Deployment, traveller: str, target: str, where: str
):
    browser = Browser(issuer.http)
    query = f"?next={quote(target, safe='')}" if where == "in the URL" else ""
    page = browser.get(f"/sign-in{query}")
    typed = {} if query else {"next": target}
    done = browser.submit(page, "/sign-in", username=traveller, password=PASSWORD, **typed)
    assert done.location == "/account"


@pytest.mark.parametrize("url", URLS)
def test_no_parameter_of_a_screen_leads_elsewhere(issuer: Deployment, boss: Browser, url: str):
    """Signed in or not, in the URL or in a form."""
    plain, unknown = url.partition("?")[0], Browser(issuer.http)
    unknown.get("/sign-in")
    names = ("next", "way_back", "request", "return_to", "url", "path", "action", "frame")
    for target in ELSEWHERE[:4]:
        given = dict.fromkeys(names, target)
        for browser in (boss, unknown):
            page = browser.get(f"{plain}?{urlencode(given)}")
            assert leads_here(page)
            assert f'href="{target}"' not in page.response.text
            sent = {"form": form_token(issuer, browser, plain), "do": "unknown", **given}
            if plain != "/console/clients":  # its form has no `do`: any makes a new client
                assert leads_here(browser.post(plain, sent))


@pytest.mark.parametrize("path", ["/console//evil.example", "//evil.example/console", "/console/"])
def test_a_path_that_looks_like_a_host_is_not_redirected(
    issuer: Deployment, boss: Browser, path: str
):
    for browser in (boss, Browser(issuer.http)):
        page = browser.get(f"{URL}{path}")
        assert page.status == httpx.codes.NOT_FOUND


def leads_here(page: PageSeen) -> bool:
    """Whether it is no redirect, or one to a path of ours."""
    location = page.response.headers.get("location", "/").removeprefix(URL)
    return location.startswith("/") and not location.startswith(("//", "/\\"))
