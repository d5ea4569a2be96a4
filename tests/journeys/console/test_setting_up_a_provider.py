"""An administrator sets up where people sign in, in Chromium with JavaScript off."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.builders import PASSWORD
from tests.chromium import in_chromium, running_chromium
from tests.journeys.running_issuer import RunningIssuer

sync_api = pytest.importorskip("playwright.sync_api")
provider_mock = pytest.importorskip("oidc_provider_mock")

pytestmark = in_chromium


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path) as issuer:
        issuer.deployment.role("boss", ["issuer:admin"])
        issuer.deployment.user("ada", ["boss"])
        yield issuer


@pytest.fixture
def page() -> Iterator[sync_api.Page]:
    """Of a browser without JavaScript. What its policy refuses is an error."""
    problems: list[str] = []
    with running_chromium() as chromium:
        page = chromium.new_context(java_script_enabled=False).new_page()
        page.on("console", lambda message: problems.append(message.text))
        yield page
    assert [each for each in problems if "Security Policy" in each] == []


@pytest.fixture
def provider() -> Iterator[str]:
    """oidc-provider-mock, which asks for the subject on a page."""
    with provider_mock.run_server_in_thread() as server:
        url = f"http://localhost:{server.server_port}"
        claims = {"preferred_username": "carol", "name": "Carol Example"}
        httpx.put(f"{url}/users/00u1", json=claims).raise_for_status()
        yield url


def test_a_provider_is_typed_tried_and_shown(
    issuer: RunningIssuer, page: sync_api.Page, provider: str
):
    """Its URL, an id and a secret; a provider on this machine is in a private network as well."""
    page.goto(f"{issuer.url}/console/trusted-issuers?new=people")
    page.get_by_label("User name").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.goto(f"{issuer.url}/console/trusted-issuers?new=people")
    assert page.get_by_text(f"{issuer.url}/sign-in/callback/company").is_visible()
    page.get_by_label("Issuer", exact=True).fill(provider)
    page.get_by_label("Client id").fill("<client-id>")
    page.get_by_label("Client secret").fill("secret")
    page.get_by_text("People without a user get one").click()
    page.get_by_text("Advanced").click()
    page.get_by_text("In a private network").click()
    page.get_by_label("Its server may have a private address").check()
    page.get_by_role("button", name="Create trusted issuer").click()
    assert page.get_by_text("is a placeholder").first.is_visible()
    page.get_by_label("Client id").fill("issuer")
    page.get_by_label("Client secret").fill("secret")
    page.get_by_role("button", name="Create trusted issuer").click()
    assert page.get_by_text("not shown yet").is_visible()

    page.get_by_role("link", name="Try it").click()
    page.get_by_role("button", name="Continue with company").click()
    page.get_by_placeholder("sub").fill("00u1")
    page.get_by_role("button", name="Authorize", exact=True).click()
    page.wait_for_url(f"{issuer.url}/console/trusted-issuers/company")
    assert page.get_by_text("It works: you are Carol Example there (sub 00u1)").is_visible()
    assert page.get_by_text("A sign-in would be that of a new user carol").is_visible()

    page.get_by_role("button", name="Show the button").click()
    assert page.get_by_text("not shown yet").count() == 0
    page.get_by_role("link", name="Sign out").first.click()
    page.get_by_role("button", name="Sign out").click()
    page.goto(f"{issuer.url}/sign-in")
    page.get_by_role("button", name="Continue with company").click()
    page.get_by_placeholder("sub").fill("00u1")
    page.get_by_role("button", name="Authorize", exact=True).click()
    page.wait_for_url(f"{issuer.url}/account")
    assert page.get_by_text("Carol Example").first.is_visible()
