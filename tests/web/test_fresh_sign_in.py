"""What may administer the issuer needs a sign-in of the last ten minutes, a device of an hour."""

from datetime import timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from pyotp import TOTP

from issuer.roles import Assignment
from issuer.sign_in.authorization_request import ConsentNeeded, SignInNeeded
from tests.builders import PASSWORD, URL, Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.issuers import Initialized, served
from tests.sign_in.authorizing import BROWSER, CALLBACK, GRANTS, App, returned, sign_in
from tests.sign_in.devices import GRANTS as DEVICE_GRANTS
from tests.sign_in.devices import DeviceClient, allows, asked
from tests.sign_in.fake_provider import FakeProvider
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen
from tests.web.test_second_factor import secret_of

TEN_MINUTES, MINUTE, HOUR = timedelta(minutes=10), timedelta(minutes=1), timedelta(hours=1)
AGAIN = "Sign in again: this needs a recent sign-in, second factor included."


@pytest.fixture
def admin(deployment: Deployment) -> str:
    deployment.role("administrator", ["issuer:admin", "agents:run"])
    return deployment.user("alice", ["administrator"])


@pytest.fixture
def console(deployment: Deployment, token_endpoint: TokenDriver) -> App:
    """An application that asks for rights at the issuer itself."""
    client = deployment.client(
        "ops",
        name="Ops",
        audiences=[URL, "my-os"],
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        user_rights="all",
    )
    return App(token_endpoint, client, more={"audience": URL})


@pytest.fixture
def device(deployment: Deployment, token_endpoint: TokenDriver) -> DeviceClient:
    more = {"token_endpoint_auth_method": "none", "user_rights": "all"}
    client = deployment.client("cli", audiences=[URL, "my-os"], grant_types=DEVICE_GRANTS, **more)
    return DeviceClient(deployment, token_endpoint, client)


def asked_for(browser: Browser, app: App, **more: str) -> PageSeen:
    return browser.get("/oauth2/authorize", **app.request(**more))


def consent(browser: Browser, app: App) -> PageSeen:
    page = browser.follow(asked_for(browser, app))
    assert "Ops wants to act for you" in page.text
    return page


def test_a_request_for_the_issuer_itself_needs_a_sign_in_of_the_last_ten_minutes(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    deployment.wait(TEN_MINUTES - timedelta(seconds=1))
    assert asked_for(browser, console).location.startswith("/consent?")
    deployment.wait(timedelta(seconds=1))
    seen = asked_for(browser, console)
    assert seen.location.startswith("/sign-in?request=")
    page = browser.get(seen.location)
    assert AGAIN in page.text
    page = browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    done = browser.submit(browser.follow(page), "/consent", decision="allow")
    assert console.redeem(returned(done.response)["code"]).status == httpx.codes.OK


def test_a_session_of_another_agentos_request_goes_on(
    deployment: Deployment, browser: Browser, console: App, admin: str
):
    deployment.role("runner", ["agents:run"])
    deployment.user("bob", ["runner"])
    browser.sign_in("bob")
    deployment.wait(timedelta(hours=7))
    seen = asked_for(browser, console, audience="my-os")
    assert seen.location.startswith("/consent?")


def test_a_consent_page_that_was_left_open_gives_nothing(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    deployment.wait(5 * MINUTE)
    shown = consent(browser, console)
    deployment.wait(6 * MINUTE)
    page = browser.submit(shown, "/consent", decision="allow")
    assert page.location.startswith("/sign-in?request=")
    page = browser.submit(shown, "/consent", decision="deny")
    assert returned(page.response)["error"] == "access_denied"


def test_a_request_that_was_sealed_before_needs_it_too(
    deployment: Deployment, admin: str, console: App
):
    flow = deployment.services.people.flow
    alice = sign_in(deployment, admin)
    deployment.wait(5 * MINUTE)
    step = alice.next_step(console)
    assert isinstance(step, ConsentNeeded)
    deployment.wait(5 * MINUTE)
    assert flow.next_step(step.request, alice.session, BROWSER) == SignInNeeded(step.request)
    assert flow.allow(step, alice.session, BROWSER) == SignInNeeded(step.request)


def test_prompt_none_is_login_required_where_the_sign_in_is_older(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    """OpenID Connect Core §3.1.2.6; with a recent one, nobody may be asked for consent."""
    browser.sign_in()
    answer = returned(asked_for(browser, console, prompt="none").response)
    assert answer["error"] == "consent_required"
    deployment.wait(TEN_MINUTES)
    answer = returned(asked_for(browser, console, prompt="none").response)
    assert answer["error"] == "login_required"
    assert answer["error_description"] == "The user must sign in again."


def test_a_session_from_before_the_second_factor_signs_in_with_it(
    deployment: Deployment, browser: Browser, people: People, admin: str, console: App
):
    browser.sign_in()
    app = people.app_of(admin)
    shown = browser.get(asked_for(browser, console).location)
    assert AGAIN in shown.text
    page = browser.submit(shown, "/sign-in", username="alice", password=PASSWORD)
    assert page.location.startswith("/sign-in/second-factor?request=")
    assert browser.get(shown.form("/sign-in").action, request="x").status == 400
    page = browser.submit(browser.follow(page), "/sign-in/second-factor", code=app.code())
    assert page.location.startswith("/consent?")
    assert "Ops wants to act for you" in browser.follow(page).text


def test_a_factor_that_another_process_added_is_asked_for_here(
    deployment: Deployment, clock: FakeClock, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    shown = consent(browser, console)
    with served(Initialized(deployment.services.settings, deployment.admin), clock) as other:
        People(other, clock).app_of(admin)
    deployment.services.tokens.changes.poll()
    page = browser.submit(shown, "/consent", decision="allow")
    assert page.location.startswith("/sign-in?request=")


def test_a_session_of_one_process_is_too_old_in_another(
    deployment: Deployment, clock: FakeClock, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    deployment.wait(TEN_MINUTES)
    with served(Initialized(deployment.services.settings, deployment.admin), clock) as elsewhere:
        other = Browser(elsewhere.http)
        other.cookies = dict(browser.cookies)
        assert asked_for(other, console).location.startswith("/sign-in?request=")
        page = other.get("/sign-in", switch="1")
        other.submit(page, "/sign-in", username="alice", password=PASSWORD)
    browser.cookies = dict(other.cookies)
    assert asked_for(browser, console).location.startswith("/consent?")


def test_a_trusted_issuer_is_asked_for_a_new_sign_in(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    """Whose answer must show that it is one."""
    company = FakeProvider.trusted(deployment)
    company.link(admin)
    asked_at = asked_for(browser, console).location
    page = browser.submit(browser.get(asked_at), "/sign-in/with", issuer="company")
    sent = dict(parse_qsl(urlsplit(page.location).query))
    assert (sent["prompt"], sent["max_age"]) == ("login", "0")
    old = int(deployment.clock().timestamp()) - 60
    company.claims["auth_time"] = old
    assert "sign-in of just now" in browser.get(company.authorize(page.location)).text
    company.claims["auth_time"] = old + 60
    page = browser.submit(browser.get(asked_at), "/sign-in/with", issuer="company")
    assert browser.get(company.authorize(page.location)).location.startswith("/consent?")


def test_a_refresh_is_not_a_sign_in(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    done = browser.submit(consent(browser, console), "/consent", decision="allow")
    tokens = console.redeem(returned(done.response)["code"])
    deployment.wait(TEN_MINUTES)
    assert console.refresh(tokens.body["refresh_token"]).status == httpx.codes.OK
    assert asked_for(browser, console).location.startswith("/sign-in?request=")


def test_the_code_of_a_device_is_entered_after_a_sign_in_of_the_last_hour(
    deployment: Deployment, browser: Browser, admin: str, device: DeviceClient
):
    browser.sign_in()
    form = browser.get("/device")
    deployment.wait(HOUR)
    device.asks(audience="my-os")
    code = device.codes["user_code"]
    back = f"/sign-in?next=%2Fdevice%3Fuser_code%3D{code}"
    assert browser.get("/device", user_code=code).location == back
    assert browser.submit(form, "/device", user_code=code).location == back
    page = browser.submit(browser.get(back), "/sign-in", username="alice", password=PASSWORD)
    done = browser.submit(browser.follow(page), "/consent", decision="allow")
    assert "The device is signed in" in browser.follow(done).text
    assert device.polls().status == httpx.codes.OK


@pytest.mark.parametrize("more_settings", [{"fresh_sign_in": "10m"}])
def test_the_setting_says_how_recent_the_sign_in_for_a_device_is(
    deployment: Deployment, browser: Browser, admin: str
):
    browser.sign_in()
    deployment.wait(TEN_MINUTES)
    assert browser.get("/device").location.startswith("/sign-in?next=")


def test_what_was_allowed_goes_on_by_itself_after_the_sign_in(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    deployment.wait(5 * MINUTE)
    shown = consent(browser, console)
    deployment.wait(5 * MINUTE)
    page = browser.submit(shown, "/consent", decision="allow")
    page = browser.submit(browser.get(page.location), "/sign-in", password=PASSWORD)
    done = browser.get(page.location)
    assert console.redeem(returned(done.response)["code"]).status == httpx.codes.OK
    again = browser.get("/oauth2/authorize", **console.request())
    assert "Ops wants to act for you" in browser.follow(again).text  # only that once


def test_what_was_allowed_does_not_go_on_where_something_has_changed(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    browser.sign_in()
    deployment.wait(5 * MINUTE)
    shown = consent(browser, console)
    deployment.wait(5 * MINUTE)
    page = browser.submit(shown, "/consent", decision="allow")
    deployment.role("helper", ["issuer:scim"])
    with deployment.changing() as work:
        work.assignments.assign(admin, Assignment(role="helper"))
    page = browser.submit(browser.get(page.location), "/sign-in", password=PASSWORD)
    assert "has just changed" in browser.get(page.location).text


def test_what_somebody_allowed_is_not_allowed_by_another_who_signs_in(
    deployment: Deployment, browser: Browser, admin: str, console: App
):
    deployment.user("bob", ["administrator"])
    browser.sign_in()
    deployment.wait(5 * MINUTE)
    shown = consent(browser, console)
    deployment.wait(5 * MINUTE)
    page = browser.submit(shown, "/consent", decision="allow")
    page = browser.submit(browser.get(page.location), "/sign-in", username="bob", password=PASSWORD)
    assert "Ops wants to act for you" in browser.get(page.location).text


def test_a_form_of_the_account_goes_on_by_itself_after_the_sign_in(
    deployment: Deployment, browser: Browser, people: People, admin: str
):
    app = people.app_of(admin)
    page = browser.follow(browser.sign_in())
    browser.submit(page, "/sign-in/second-factor", code=app.code())
    page = browser.get("/account/recovery-codes")
    deployment.wait(TEN_MINUTES)
    page = browser.submit(page, "/account/recovery-codes")
    page = browser.submit(browser.get(page.location), "/sign-in", password=PASSWORD)
    page = browser.submit(browser.follow(page), "/sign-in/second-factor", code=app.code())
    assert "Your recovery codes" in browser.get(page.location).text
    assert "Make new recovery codes?" in browser.get("/account/recovery-codes").text


def test_a_form_goes_on_only_for_what_it_was_about(
    deployment: Deployment, browser: Browser, people: People, admin: str
):
    app = people.app_of(admin)
    page = browser.follow(browser.sign_in())
    browser.submit(page, "/sign-in/second-factor", code=app.code())
    with deployment.services.administration.reading() as work:
        (factor,) = work.factors.of_user(admin)
    page = browser.get("/account/remove-factor", factor=factor.id)
    deployment.wait(TEN_MINUTES)
    page = browser.submit(page, "/account/remove-factor")
    page = browser.submit(browser.get(page.location), "/sign-in", password=PASSWORD)
    browser.submit(browser.follow(page), "/sign-in/second-factor", code=app.code())
    assert "had ended" in browser.follow(browser.get("/account/remove-factor", factor="x")).text
    with deployment.services.administration.reading() as work:
        assert [each.id for each in work.factors.of_user(admin)] == [factor.id]


def test_a_factor_that_this_session_added_is_not_asked_for_again(
    deployment: Deployment, clock: FakeClock, browser: Browser, admin: str
):
    """As for an authenticator app right after a passkey."""
    browser.sign_in()
    page = browser.get("/account/authenticator")
    code = TOTP(secret_of(page)).at(clock())
    done = browser.submit(page, "/account/authenticator", code=code)
    assert "Your recovery codes" in done.text
    assert browser.get("/account/recovery-codes").status == httpx.codes.OK
    deployment.wait(TEN_MINUTES)
    assert browser.get("/account/recovery-codes").location.startswith("/sign-in")


def test_what_came_of_a_device_can_still_be_read_later(
    deployment: Deployment, browser: Browser, admin: str
):
    browser.sign_in()
    deployment.wait(TEN_MINUTES)
    assert "The device is signed in" in browser.get("/device", answer="allowed").text


@pytest.mark.parametrize(("audience", "within"), [(URL, TEN_MINUTES), ("my-os", HOUR)])
def test_a_device_request_gets_nothing_from_an_older_session(
    deployment: Deployment, admin: str, device: DeviceClient, audience: str, within: timedelta
):
    """Also where its code was entered before the sign-in was too old."""
    flow, alice = deployment.services.people.flow, sign_in(deployment, admin)
    deployment.wait(5 * MINUTE)
    device.asks(audience=audience)
    step = asked(alice, device)
    assert isinstance(step, ConsentNeeded)
    deployment.wait(within - 5 * MINUTE - timedelta(seconds=1))
    device.asks(audience=audience)
    assert isinstance(asked(alice, device), ConsentNeeded)
    deployment.wait(timedelta(seconds=1))
    assert isinstance(asked(alice, device), SignInNeeded)
    assert isinstance(flow.allow(step, alice.session, BROWSER), SignInNeeded)
    assert device.polls().error == "authorization_pending"
    allows(sign_in(deployment, admin), device)
    device.waits()
    assert device.polls().status == httpx.codes.OK


def test_a_device_request_gets_nothing_from_a_session_before_the_second_factor(
    deployment: Deployment, people: People, admin: str, device: DeviceClient
):
    alice = sign_in(deployment, admin)
    device.asks(audience=URL)
    step = asked(alice, device)
    assert isinstance(step, ConsentNeeded)
    people.app_of(admin)
    flow = deployment.services.people.flow
    assert isinstance(flow.allow(step, alice.session, BROWSER), SignInNeeded)
    assert device.polls().error == "authorization_pending"
