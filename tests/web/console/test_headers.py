"""The headers of every screen, of its errors, redirects and downloads."""

import re
from collections.abc import Callable

import httpx
import pytest

from tests.builders import Deployment
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import forged, person
from tests.web.console.screens import SCREENS, URLS

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none';"
    " form-action 'self'"
)
# Of pages with a button to copy or to print: one file of ours, which may send nothing.
WITH_A_SCRIPT = POLICY.replace("form-action", "script-src 'self'; form-action")
PRINTED = {"/console/review/access"}
# Of forms that complete names while they are typed: it asks this issuer alone.
SUGGESTING = POLICY.replace("form-action", "script-src 'self'; connect-src 'self'; form-action")
SUGGESTS = re.compile(r"/console/(clients(\?new|/)|users|groups/|explain($|\?))")


def policy_of(url: str) -> str:
    return WITH_A_SCRIPT if url in PRINTED else SUGGESTING if SUGGESTS.match(url) else POLICY


@pytest.fixture(scope="module")
def reader(issuer: Deployment) -> Browser:
    return person(issuer, "reader", ["agents:read"])


def require_headers(page: PageSeen, policy: str = POLICY) -> None:
    headers = page.response.headers
    assert headers["content-security-policy"] == policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    for line in headers.get_list("set-cookie"):
        assert line.startswith("__Host-")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(line.split("; "))


@pytest.mark.parametrize("url", URLS)
def test_a_screen_cannot_be_framed_cached_or_scripted(
    boss: Browser, reader: Browser, issuer: Deployment, url: str
):
    require_headers(boss.get(url), policy_of(url))
    require_headers(reader.get(url))
    redirect = Browser(issuer.http).get(url)
    assert redirect.response.headers["cache-control"] == "no-store"


ERRORS: dict[str, tuple[int, Callable[[Deployment, Browser, str], PageSeen]]] = {
    "of a parameter twice": (400, lambda _, browser, path: browser.get(f"{path}?a=1&a=2")),
    "of a foreign form": (
        403, lambda _, browser, path: browser.post(path, {"do": "x"}, {"Origin": "https://evil.example"}),
    ),
    "of no form": (
        400,
        lambda _, browser, path: browser.post(path, {"do": "x"}, {"Content-Type": "text/plain"}),
    ),
    "of a form that is too large": (
        413, lambda _, browser, path: browser.post(path, {"do": "x" * 4_000_000}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("path", SCREENS)
def test_an_error_page_has_the_same_headers(
    issuer: Deployment, boss: Browser, path: str, error: str
):
    status, send = ERRORS[error]
    page = send(issuer, boss, SCREENS[path].urls[0])
    assert page.status == status
    require_headers(page)


@pytest.mark.parametrize(
    ("path", "form", "status"),
    [
        ("/console/clients/unknown", {"do": "delete"}, 404),
        ("/console/clients/pipeline", {"do": "finish-rotation", "confirmed": "yes"}, 409),
        ("/console/clients/pipeline", {"do": "assign-role"}, 400),
        ("/console/clients/pipeline", {"do": "save"}, 409),
        ("/console/clients/pipeline", {"do": "delete"}, 200),
        ("/console/clients", {"client_id": "pipeline"}, 409),
        ("/console/users/unknown", {"do": "delete"}, 404),
        ("/console/users/wanda", {"do": "assign-role"}, 400),
        ("/console/users/wanda", {"do": "save"}, 409),
        ("/console/users/wanda", {"do": "delete"}, 200),
        ("/console/users", {"username": "wanda"}, 409),
        ("/console/roles", {"name": ""}, 400),
        ("/console/roles/reader", {"do": "review", "version": "99"}, 409),
        ("/console/keys", {"do": "revoke", "revoke": "unknown"}, 404),
        ("/console/configuration", {"source": "{"}, 400),
    ],
)
def test_what_a_form_answers_has_the_same_headers(
    issuer: Deployment, boss: Browser, path: str, form: dict[str, str], status: int
):
    page = forged(issuer, boss, path, **form)
    assert page.status == status
    require_headers(page, SUGGESTING if "<script" in page.response.text else POLICY)


@pytest.mark.parametrize("form", [{"do": "create-secret"}, {"do": "start-rotation"}])
def test_a_secret_is_answered_with_the_same_headers(
    issuer: Deployment, boss: Browser, form: dict[str, str]
):
    issuer.client(f"with-{form['do']}")
    page = forged(issuer, boss, f"/console/clients/with-{form['do']}", **form)
    assert page.status == httpx.codes.OK
    require_headers(page, WITH_A_SCRIPT)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", SCREENS)
def test_other_methods_do_nothing(issuer: Deployment, path: str, method: str):
    answer = issuer.http.request(method, SCREENS[path].urls[0])
    assert answer.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert "text/html" not in answer.headers["content-type"]
