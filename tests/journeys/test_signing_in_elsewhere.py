"""People sign in with an account elsewhere, in Chromium with JavaScript off."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from issuer.sign_in import InvitationFields
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import PASSWORD, Credentials
from tests.chromium import in_chromium, running_chromium
from tests.journeys.keycloak import COMPANY, CompanyKeycloak, running_keycloak
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.web.test_in_chromium import authorization_url, callback, redeem

sync_api = pytest.importorskip("playwright.sync_api")
provider_mock = pytest.importorskip("oidc_provider_mock")

__all__ = ["callback"]
pytestmark = in_chromium
SUBJECT = "00u1a2b3"


@pytest.fixture(scope="module")
def chromium() -> Iterator[sync_api.Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def page(chromium: sync_api.Browser) -> Iterator[sync_api.Page]:
    with new_page(chromium) as page:
        yield page


@contextmanager
def new_page(chromium: sync_api.Browser) -> Iterator[sync_api.Page]:
    """In a browser of its own. What its policy refuses is an error."""
    context, problems = chromium.new_context(java_script_enabled=False), []
    page = context.new_page()
    page.on("console", lambda message: problems.append(message.text))
    yield page
    context.close()
    assert [each for each in problems if "Security Policy" in each] == []


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        issuer.deployment.role("reader", ["agents:read"])
        issuer.deployment.role("runner", ["agents:run"])
        yield issuer


@dataclass(frozen=True)
class MockProvider:
    """oidc-provider-mock, which asks for the subject on a page."""

    issuer: RunningIssuer
    url: str

    def says(self, subject: str = SUBJECT, **claims: Any) -> None:
        httpx.put(f"{self.url}/users/{subject}", json=claims).raise_for_status()

    def sign_in(self, page: sync_api.Page, subject: str = SUBJECT) -> None:
        """Press the button here, and sign in there."""
        page.get_by_role("button", name="Continue with mock").click()
        page.get_by_placeholder("sub").fill(subject)
        page.get_by_role("button", name="Authorize", exact=True).click()


@contextmanager
def serving_mock(issuer: RunningIssuer, **sign_in: Any) -> Iterator[MockProvider]:
    with provider_mock.run_server_in_thread() as server:
        provider = MockProvider(issuer, f"http://localhost:{server.server_port}")
        trust(issuer, "mock", provider.url, client_id="issuer", **sign_in)
        yield provider
    with issuer.deployment.changing() as work:
        work.trusted_issuers.delete("mock", cascade=True)


def trust(issuer: RunningIssuer, issuer_id: str, url: str, **sign_in: Any) -> None:
    members = {
        "id": issuer_id,
        "issuer": url,
        "keys": {"discovery": True},
        "kinds": ["people"],
        "allow_private_addresses": True,
        "sign_in": {"client_secret": "secret", "groups_claim": "groups", **sign_in},
    }
    with issuer.deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(members))


@pytest.fixture
def mock(issuer: RunningIssuer) -> Iterator[MockProvider]:
    roles = [{"group": "runners", "role": "runner", "audience": "my-os"}]
    with serving_mock(issuer, provision=True, roles=roles) as provider:
        provider.says(preferred_username="carol", name="Carol Example", groups=["runners"])
        yield provider
    with issuer.deployment.changing() as work:
        for name in ("carol", "dora"):
            if found := work.users.search(name, 1):
                work.users.delete(found[0].id)


def app_of(issuer: RunningIssuer, callback: str) -> Credentials:
    with issuer.deployment.services.administration.reading() as work:
        known = work.clients.exists("app")
    if known:
        with issuer.deployment.changing() as work:
            work.clients.delete("app")
    return issuer.deployment.client(
        "app",
        name="Reports",
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=[callback],
        user_rights="all",
    )


def test_a_person_is_provisioned_and_allows_an_application(
    issuer: RunningIssuer, mock: MockProvider, page: sync_api.Page, callback: str
):
    """The way there and back is one chain of redirects after forms, which CSP must not break."""
    app = app_of(issuer, callback)
    page.goto(authorization_url(issuer, callback))
    mock.sign_in(page)
    page.wait_for_url("**/consent?*")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{callback}?*")
    token = redeem(issuer, app, callback, parse_qs(urlsplit(page.url).query)["code"][0])
    assert token["scope"] == "agents:run"
    page.goto(f"{issuer.url}/account")
    assert page.get_by_role("heading", name="Carol Example").is_visible()
    assert page.get_by_role("link", name="Unlink mock").is_visible()


def test_a_group_that_was_lost_takes_its_role_away(
    issuer: RunningIssuer, mock: MockProvider, chromium: sync_api.Browser, callback: str
):
    app = app_of(issuer, callback)
    with new_page(chromium) as page:
        page.goto(authorization_url(issuer, callback, scope="agents:run"))
        mock.sign_in(page)
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(f"{callback}?*")
    token = redeem(issuer, app, callback, parse_qs(urlsplit(page.url).query)["code"][0])
    introspected = issuer.token_endpoint.introspect(app, token["access_token"])
    assert introspected["active"]
    mock.says(preferred_username="carol", name="Carol Example", groups=[])
    with new_page(chromium) as page:
        page.goto(f"{issuer.url}/sign-in")
        mock.sign_in(page)
        page.wait_for_url("**/account")
    ask = issuer.token_endpoint.introspect
    wait_until(lambda: not ask(app, token["access_token"])["active"], 10, "it is revoked")


def test_a_person_links_and_unlinks_an_account(
    issuer: RunningIssuer, mock: MockProvider, page: sync_api.Page, chromium: sync_api.Browser
):
    issuer.deployment.user("dora", ["reader"])
    page.goto(f"{issuer.url}/sign-in")
    page.get_by_label("User name").fill("dora")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("link", name="Link mock").click()
    mock.sign_in(page, "dora-there")
    assert page.get_by_text("The account is linked").is_visible()
    with new_page(chromium) as elsewhere:
        elsewhere.goto(f"{issuer.url}/sign-in")
        mock.sign_in(elsewhere, "dora-there")
        elsewhere.wait_for_url("**/account")
        page.get_by_role("link", name="Unlink mock").click()
        page.get_by_role("button", name="Unlink").click()
        assert page.get_by_text("The account is unlinked").is_visible()
        elsewhere.goto(f"{issuer.url}/account")
        assert elsewhere.get_by_label("User name").is_visible()


def test_an_invited_person_takes_an_account_instead_of_a_password(
    issuer: RunningIssuer, mock: MockProvider, page: sync_api.Page
):
    carol = issuer.deployment.user("carol", password=None, name="Carol Example")
    with issuer.deployment.changing() as work:
        url = work.invitations.create(carol, InvitationFields()).url
    page.goto(url)
    mock.sign_in(page, "carol-there")
    page.wait_for_url("**/account")
    assert page.get_by_role("heading", name="Carol Example").is_visible()


def test_a_person_who_declines_there_comes_back_to_a_page(
    issuer: RunningIssuer, mock: MockProvider, page: sync_api.Page
):
    page.goto(f"{issuer.url}/sign-in")
    page.get_by_role("button", name="Continue with mock").click()
    page.get_by_role("button", name="Deny").click()
    page.get_by_role("link", name="Back to the sign-in").wait_for()
    page.get_by_role("link", name="Back to the sign-in").click()
    assert page.get_by_label("User name").is_visible()


def test_while_the_provider_is_away_local_sign_in_goes_on(
    issuer: RunningIssuer, page: sync_api.Page
):
    issuer.deployment.user("erin", ["reader"])
    with serving_mock(issuer) as mock:
        pass
    trust(issuer, "mock", mock.url, client_id="issuer")
    page.goto(f"{issuer.url}/sign-in")
    page.get_by_role("button", name="Continue with mock").click()
    assert page.get_by_role("heading", name="mock cannot be reached").is_visible()
    page.get_by_role("link", name="Back to the sign-in").click()
    page.get_by_label("User name").fill("erin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url("**/account")
    with issuer.deployment.changing() as work:
        work.trusted_issuers.delete("mock")


def test_people_of_another_issuer_of_ours_sign_in(
    issuer: RunningIssuer, page: sync_api.Page, tmp_path: Path
):
    """A fresh sign-in there opens what needs a fresh one here."""
    with RunningIssuer(tmp_path, host="localhost") as partner:
        partner.deployment.user("frank", name="Frank Example")
        client = partner.deployment.client(
            "agentos-issuer",
            grant_types=["authorization_code"],
            redirect_uris=[f"{issuer.url}/sign-in/callback/partner"],
        )
        secret = {"client_id": client.client_id, "client_secret": client.client_secret}
        trust(issuer, "partner", partner.settings.url, provision=True, **secret)
        page.goto(f"{issuer.url}/sign-in")
        page.get_by_role("button", name="Continue with partner").click()
        sign_in_at_partner(page)
        page.get_by_role("button", name="Allow").click()
        page.wait_for_url(f"{issuer.url}/account")
        assert page.get_by_role("heading", name="Frank Example").is_visible()
        page.get_by_role("link", name="Add an authenticator app").click()
        assert page.get_by_role("heading", name="Add an authenticator app").is_visible()
    with issuer.deployment.changing() as work:
        work.trusted_issuers.delete("partner", cascade=True)


def sign_in_at_partner(page: sync_api.Page) -> None:
    page.get_by_label("User name").fill("frank")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


@pytest.fixture(scope="module")
def keycloak(
    issuer: RunningIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[CompanyKeycloak]:
    roles = [{"group": "staff", "role": "reader", "audience": "my-os"}]
    with running_keycloak(tmp_path_factory.mktemp("keycloak"), issuer.url) as keycloak:
        client = {"client_id": "agentos-issuer", "client_secret": keycloak.client_secret}
        trust(issuer, COMPANY, keycloak.issuer, provision=True, roles=roles, **client)
        yield keycloak


def test_people_of_keycloak_sign_in_and_are_signed_out_from_there(
    issuer: RunningIssuer, keycloak: CompanyKeycloak, page: sync_api.Page, callback: str
):
    """Roles by its groups, and OpenID Back-Channel Logout as Keycloak sends it."""
    app = app_of(issuer, callback)
    page.goto(authorization_url(issuer, callback))
    sign_in_with(keycloak, page)
    page.wait_for_url("**/consent?*")
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{callback}?*")
    token = redeem(issuer, app, callback, parse_qs(urlsplit(page.url).query)["code"][0])
    assert token["scope"] == "agents:read"
    keycloak.sign_out_everywhere()
    ask = issuer.token_endpoint.introspect
    wait_until(lambda: not ask(app, token["access_token"])["active"], 10, "it is revoked")
    page.goto(f"{issuer.url}/account")
    assert page.get_by_label("User name").is_visible()


def sign_in_with(keycloak: CompanyKeycloak, page: sync_api.Page) -> None:
    page.get_by_role("button", name=f"Continue with {COMPANY}").click()
    page.get_by_label("Username or email").fill(keycloak.username)
    page.get_by_role("textbox", name="Password").fill(keycloak.password)
    page.get_by_role("button", name="Sign In").click()


def test_name_address_and_groups_at_keycloak_are_those_of_the_last_sign_in(
    issuer: RunningIssuer, keycloak: CompanyKeycloak, chromium: sync_api.Browser
):
    def signed_in() -> tuple[str, str | None, bool, list[str]]:
        with new_page(chromium) as page:
            page.goto(f"{issuer.url}/sign-in")
            sign_in_with(keycloak, page)
            page.wait_for_url("**/account")
        with issuer.deployment.services.administration.reading() as work:
            user = work.users.get_by_username(keycloak.username)
            (identity,) = work.identities.of_user(user.id)
        return user.name, user.email, user.email_verified, identity.groups

    assert signed_in() == ("Grace Example", "grace@company.example", True, ["staff"])
    keycloak.change(lastName="Hopper", email="hopper@company.example", emailVerified=False)
    keycloak.remove_from_groups()
    assert signed_in() == ("Grace Hopper", "hopper@company.example", False, [])


def test_security_events_of_keycloak_end_what_they_are_about(
    issuer: RunningIssuer, keycloak: CompanyKeycloak, chromium: sync_api.Browser
):
    """A changed password and a sign-out everywhere, as its transmitter sends them (SSF 1.0)."""
    keycloak.push_security_events(issuer.url)
    for event, happens in (
        ("caep/event-type/credential-change", keycloak.reset_password),
        ("caep/event-type/session-revoked", keycloak.sign_out_everywhere),
    ):
        with new_page(chromium) as page:
            page.goto(f"{issuer.url}/sign-in")
            sign_in_with(keycloak, page)
            page.wait_for_url("**/account")
            happens()
            wait_until(partial(is_received, issuer, event), 10, f"{event} is received")
            page.goto(f"{issuer.url}/account")
            assert page.get_by_label("User name").is_visible()


def is_received(issuer: RunningIssuer, event: str) -> bool:
    """Whether a security event about a user came."""
    with issuer.deployment.services.database.reading() as session:
        query = select(AuditEventRow).where(AuditEventRow.action == "signal.received")
        found = [*session.scalars(query)]
    return any(each.details["event"] == event and each.target for each in found)
