"""The pages in Chromium, with JavaScript off, and what axe finds in them."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from issuer.web.rendering import Pages
from tests.builders import PASSWORD, Credentials, FakeClock, settings_for
from tests.chromium import in_chromium, running_chromium, violations
from tests.journeys.running_issuer import RunningIssuer
from tests.sign_in.authorizing import VERIFIER, challenge
from tests.web.samples import NOW, PAGES

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = in_chromium


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    with running_chromium() as browser:
        yield browser


class ApplicationServer(BaseHTTPRequestHandler):
    """Its redirect URI, at another origin than the issuer."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"Thank you.")

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def callback() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), ApplicationServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/callback"
        server.shutdown()


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        work = issuer.deployment
        work.role("reader", ["agents:read", "agents:web:run", "sessions:read"])
        work.user("alice", ["reader"])
        yield issuer


@pytest.fixture(scope="module")
def app(issuer: RunningIssuer, callback: str) -> Credentials:
    return issuer.deployment.client(
        "app",
        name="Reports",
        grant_types=["authorization_code"],
        redirect_uris=[callback],
        user_rights="all",
    )


@pytest.fixture
def context(chromium: sync_api.Browser) -> Iterator[sync_api.BrowserContext]:
    context = chromium.new_context(java_script_enabled=False)
    yield context
    context.close()


def test_a_person_signs_in_and_allows_an_application(
    issuer: RunningIssuer,
    app: Credentials,
    callback: str,
    context: sync_api.BrowserContext,
):
    """Chromium applies `form-action` to the redirect after the form as well."""
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("requestfailed", lambda request: problems.append(request.url))
    page.goto(authorization_url(issuer, callback))
    page.get_by_label("User name").fill("alice")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("alert").inner_text().strip().startswith("Wrong")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/consent?*")
    assert "wants to act for you" in page.locator("h1").inner_text()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{callback}?*")
    assert "Thank you." in page.content()
    token = redeem(issuer, app, callback, parse_qs(urlsplit(page.url).query)["code"][0])
    assert token["scope"] == "agents:read agents:web:run sessions:read"
    page.goto(f"{issuer.url}/account")
    assert page.locator("p.name", has_text="Reports").is_visible()
    page.get_by_role("link", name="Sign out").first.click()
    page.get_by_role("button", name="Sign out").click()
    assert page.get_by_role("heading", name="You are signed out").is_visible()
    # A wrong password is answered with status 400, which Chromium notes as an error.
    assert [each for each in problems if "400 (Bad Request)" not in each] == []


def test_the_whole_way_by_keyboard(
    issuer: RunningIssuer,
    app: Credentials,
    callback: str,
    context: sync_api.BrowserContext,
):
    page = context.new_page()
    page.goto(authorization_url(issuer, callback, prompt="consent"))
    page.locator("input:focus").wait_for()  # autofocus comes with the first picture
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/consent?*")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.locator("button:focus", has_text="Allow").count():
            break
    page.keyboard.press("Enter")
    page.wait_for_url(f"{callback}?*")


def test_the_documentation_of_the_api_opens_under_its_policy(
    issuer: RunningIssuer, chromium: sync_api.Browser
):
    context = chromium.new_context()
    page, problems = context.new_page(), []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(f"{issuer.url}/docs")
    operation = page.locator(".opblock[id$='-token']")
    operation.locator("button").first.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    operation.locator(".live-responses-table .response-col_status").first.wait_for()
    context.close()
    assert [each for each in problems if "Security Policy" in each or "Error" in each] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(chromium: sync_api.Browser, tmp_path: Path, theme: str):
    """WCAG 2.2 AA, as far as a program can tell: contrast, names, labels, targets."""
    clock = FakeClock()
    clock.now = NOW
    pages = Pages(settings_for(tmp_path), clock)
    context = chromium.new_context(
        color_scheme=theme, viewport={"width": 390, "height": 844}, base_url="https://id.example"
    )
    from tests.web.screenshots import serve  # noqa: PLC0415 - needs playwright

    serve(context, pages)
    page, found = context.new_page(), []
    for name in PAGES:
        page.goto(f"/{name}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, name
        found += [(name, *each) for each in violations(page)]
    context.close()
    assert found == []


def authorization_url(issuer: RunningIssuer, callback: str, **more: str) -> str:
    parameters = {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": callback,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        "state": "s",
        "resource": "my-os",
        **more,
    }
    return f"{issuer.url}/oauth2/authorize?{urlencode(parameters)}"


def redeem(issuer: RunningIssuer, app: Credentials, callback: str, code: str) -> dict[str, str]:
    answer = issuer.http.post(
        "/oauth2/token",
        data={
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": callback,
            "code_verifier": VERIFIER,
        },
        auth=(app.client_id, app.client_secret),
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer.json()
