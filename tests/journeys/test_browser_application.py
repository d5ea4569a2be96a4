"""An application in a real browser, at an origin of its own, with oidc-client-ts."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from threading import Thread
from urllib.parse import urlsplit

import pytest

from tests.builders import PASSWORD, Credentials
from tests.chromium import CHROMIUM, in_chromium
from tests.journeys.foreign_clients import JAVASCRIPT, pyjwt
from tests.journeys.running_issuer import RunningIssuer

sync_api = pytest.importorskip("playwright.sync_api")
LIBRARY = JAVASCRIPT / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"

numbers = count(1)
pytestmark = [
    *in_chromium,
    pytest.mark.skipif(not LIBRARY.is_file(), reason="`make test` installs it if there is npm."),
]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        issuer.deployment.role("runner", ["agents:run"])
        issuer.deployment.user("alice", ["runner"], name="Alice")
        issuer.deployment.user("bob", ["runner"], name="Bob")
        yield issuer


@pytest.fixture(params=["127.0.0.1", "localhost"])
def origin(request: pytest.FixtureRequest, issuer: RunningIssuer) -> Iterator[str]:
    """Of the application: another port on the host of the issuer, or another host."""
    name = f"app-{next(numbers)}"

    class PageServer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            script = {"/oidc.js": LIBRARY, "/application.js": JAVASCRIPT / "browser_application.js"}
            path = urlsplit(self.path).path
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript" if path in script else "text/html")
            self.end_headers()
            self.wfile.write(script[path].read_bytes() if path in script else page.encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), PageServer) as server:
        origin = f"http://{request.param}:{server.server_port}"
        page = (
            '<!doctype html><link rel="icon" href="data:,">'
            f"<script>const issuer = {json.dumps(issuer.url)}</script>"
            f"<script>const clientId = {json.dumps(name)}</script>"
            '<script src="/oidc.js"></script><script src="/application.js"></script>'
        )
        register(issuer, name, origin)
        Thread(target=server.serve_forever, daemon=True).start()
        yield origin
        server.shutdown()


def register(issuer: RunningIssuer, client_id: str, origin: str) -> Credentials:
    return issuer.deployment.client(
        client_id,
        grant_types=["authorization_code", "refresh_token"],
        token_endpoint_auth_method="none",
        redirect_uris=[f"{origin}/callback", f"{origin}/answered"],
        post_logout_redirect_uris=[f"{origin}/"],
        user_rights="all",
    )


@pytest.fixture
def page() -> Iterator[sync_api.Page]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context().new_page()
        page.set_default_timeout(30_000)
        yield page
        browser.close()


def test_a_page_of_its_own_origin_signs_people_in_and_out(
    issuer: RunningIssuer, origin: str, page: sync_api.Page
):
    """Every request of its script goes to another origin: metadata, keys, tokens, user info."""
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.goto(origin)
    page.wait_for_function("document.title === 'Nobody'")
    page.evaluate("void application.signinRedirect()")
    sign_in(page)
    page.wait_for_function("document.title === 'Hello Alice'")
    user = page.evaluate("application.getUser()")
    claims = pyjwt(issuer.url, user["access_token"], "my-os")
    assert (claims["sub"], claims["scopes"]) == (user["profile"]["sub"], ["agents:run"])
    renewed = page.evaluate("refreshed()")
    assert renewed["refresh_token"] != user["refresh_token"]
    # Browsers send no cookies from a frame on a page of another site, and any program may listen
    # on loopback.
    silent = "login_required" if "localhost" in origin else "consent_required"
    assert page.evaluate("inAFrame()") == silent
    page.evaluate("application.revokeTokens(['access_token'])")
    page.evaluate("void application.signoutRedirect({ state: 'bye' })")
    page.wait_for_url(f"{origin}/?state=*")
    page.wait_for_function("document.title === 'Nobody'")
    page.evaluate("void application.signinRedirect({ prompt: 'none' })")
    page.wait_for_function("document.title.includes('signed in')")
    assert problems == []


def test_a_window_of_its_own_signs_people_in(
    issuer: RunningIssuer, origin: str, page: sync_api.Page
):
    """`Cross-Origin-Opener-Policy` must not cut off the answer."""
    page.goto(origin)
    page.wait_for_function("document.title === 'Nobody'")
    with page.expect_popup() as opened:
        page.evaluate("signInInAWindow()")
    sign_in(opened.value)
    assert page.evaluate("popup") == "alice"


def test_a_frame_never_gets_a_token_of_another_user(
    issuer: RunningIssuer, origin: str, page: sync_api.Page
):
    """OpenID Connect Core §3.1.2.1: the application names its user by `id_token_hint`."""
    page.goto(origin)
    page.wait_for_function("document.title === 'Nobody'")
    page.evaluate("void application.signinRedirect()")
    sign_in(page)
    page.wait_for_function("document.title === 'Hello Alice'")
    other = page.context.new_page()
    other.goto(origin)
    other.evaluate("void application.signinRedirect({ prompt: 'login' })")
    sign_in(other, "bob")
    other.wait_for_function("document.title === 'Hello Bob'")
    assert page.evaluate("inAFrame()") == "login_required"


def sign_in(page: sync_api.Page, username: str = "alice") -> None:
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Allow").click()
