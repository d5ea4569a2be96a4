"""On the page of a user: invitations, second factors, sessions, consents."""

import httpx
import pytest

from issuer.sign_in.consents_store import AllowedAccess
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.sign_in.authorizing import CALLBACK
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, send

PAGE = "/console/users/alice-id"


@pytest.fixture(autouse=True)
def alice(deployment: Deployment) -> str:
    return deployment.user("alice", id="alice-id", name="Alice Example")


def confirm(browser: Browser, page: PageSeen) -> PageSeen:
    return browser.follow(browser.submit(page, PAGE))


def link_of(page: PageSeen) -> str:
    assert page.status == httpx.codes.OK
    return "/invitation/" + page.text.partition(f"{URL}/invitation/")[2].split()[0]


def test_an_invitation_is_shown_once_and_can_be_withdrawn(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in("issuer:users:write")
    deployment.user("bob", id="bob-id", password=None)
    page = send(operator, "/console/users/bob-id", do="invite", lifetime="24h")
    link = link_of(page)
    assert "bob is invited." in page.text
    assert "It works once, until 2026-11-26 12:00 UTC." in page.text
    assert "issuer user invite bob-id --lifetime 86400s" in page.text
    assert page.response.headers["cache-control"] == "no-store"
    assert "Set a password for your account." in Browser(deployment.http).get(link).text
    shown = operator.get("/console/users/bob-id")
    assert "bob invited" in shown.text
    assert link not in shown.response.text
    asked = send(operator, "/console/users/bob-id", do="withdraw-invitation")
    done = operator.follow(operator.submit(asked, "/console/users/bob-id"))
    assert "issuer user invite bob-id --cancel" in done.text
    assert "There is no open invitation." in done.text
    assert "does not work any more" in Browser(deployment.http).get(link).text
    assert events(deployment, "invitation.deleted")[-1].target == "bob-id"


def test_a_lifetime_that_is_none_stands_at_its_field(admin: Browser, deployment: Deployment):
    for typed, message in (("soon", "must be a number with a unit"), ("60d", "5 minutes to 30")):
        page = send(admin, PAGE, do="invite", lifetime=typed)
        assert page.status == httpx.codes.BAD_REQUEST
        assert message in page.text
        assert f'value="{typed}"' in page.response.text
    assert not events(deployment, "invitation.created")


def test_a_disabled_user_is_not_invited(admin: Browser, deployment: Deployment):
    with deployment.changing() as work:
        work.users.update("alice-id", {"disabled": True})
    assert "Make the link" not in admin.get(PAGE).text
    refused = send(admin, PAGE, do="invite")
    assert refused.status == httpx.codes.CONFLICT
    assert "Enable it first." in refused.text


def test_a_second_factor_is_removed_after_saying_what_ends(
    admin: Browser, deployment: Deployment, people: People
):
    app, _ = people.app_of("alice-id"), people.passkey_of("alice-id")
    page = admin.get(PAGE)
    assert "Laptop passkey" in page.text
    assert "Authenticator app authenticator app" in page.text
    assert "10 recovery codes are left." in page.text
    assert app.secret not in page.response.text
    with deployment.changing() as work:
        passkey, totp = (each.id for each in work.factors.of_user("alice-id"))
    asked = send(admin, PAGE, do="remove-factor", factor_id=passkey)
    assert "Remove “Laptop” of alice?" in asked.text
    assert "last second factor" not in asked.text
    done = confirm(admin, asked)
    assert f"issuer user factor remove alice-id {passkey}" in done.text
    asked = send(admin, PAGE, do="remove-factor", factor_id=totp)
    assert "It is the last second factor: the recovery codes end with it." in asked.text
    assert "alice signs in with the password alone." in asked.text
    assert "No second factors or passkeys" in confirm(admin, asked).text
    assert [e.details["factor_id"] for e in events(deployment, "factor.removed")] == [passkey, totp]


def test_all_second_factors_are_removed_after_naming_them(
    admin: Browser, deployment: Deployment, people: People
):
    people.app_of("alice-id")
    people.passkey_of("alice-id")
    asked = send(admin, PAGE, do="reset-factors")
    assert "“Laptop”, “Authenticator app” and the recovery codes are removed." in asked.text
    done = confirm(admin, asked)
    assert "issuer user factor reset alice-id" in done.text
    assert events(deployment, "user.factors_reset")[-1].target == "alice-id"


def test_the_only_way_to_sign_in_is_not_removed_without_saying_so(
    admin: Browser, deployment: Deployment, people: People
):
    bob = deployment.user("bob", id="bob-id", password=None)
    people.passkey_of(bob)
    asked = send(admin, "/console/users/bob-id", do="reset-factors")
    assert "There is no password: bob can only sign in after another invitation." in asked.text


def test_a_session_is_ended_and_others_go_on(admin: Browser, deployment: Deployment):
    first, second = Browser(deployment.http), Browser(deployment.http)
    first.sign_in("alice")
    second.sign_in("alice")
    ended = deployment.services.people.sessions.find(first.cookies["__Host-session"]).id
    asked = send(admin, PAGE, do="end-session", session_id=ended)
    assert "Sign alice out of" in asked.text
    done = confirm(admin, asked)
    assert f"issuer user session end alice-id {ended}" in done.text
    assert first.get("/account").location.startswith("/sign-in")
    assert second.get("/account").status == httpx.codes.OK
    assert events(deployment, "session.ended")[-1].details["session"] == ended


def test_somebody_sees_which_session_is_their_own(admin: Browser, deployment: Deployment):
    with deployment.changing() as work:
        key = work.users.get_by_username("admin").id
    page = f"/console/users/{key}"
    assert "yours" in admin.get(page).text
    assert "yours" not in admin.get(PAGE).text
    (session,) = events(deployment, "session.began")
    own = session.details["session"]
    asked = send(admin, page, do="end-session", session_id=own)
    assert "This is your own session." in asked.text


def test_a_consent_is_withdrawn(admin: Browser, deployment: Deployment):
    deployment.client("app", name="Reports")
    with deployment.changing() as work:
        for audience in ("my-os", None):
            scopes = frozenset({"agents:read"} if audience else ())
            allowed = ("alice-id", "app", audience, CALLBACK, scopes, frozenset({"openid"}))
            work.consents.grant(AllowedAccess(*allowed))
    page = admin.get(PAGE)
    assert "app my-os openid , agents:read" in page.text
    assert 'href="/console/clients/app"' in page.response.text
    assert page.text.count("Withdraw") == 1
    asked = send(admin, PAGE, do="withdraw-consent", client_id="app")
    assert "it must ask alice again" in asked.text
    done = confirm(admin, asked)
    assert "issuer user consent withdraw alice-id app" in done.text
    assert "no clients that act for the user" in done.text
    assert events(deployment, "consent.withdrawn")[-1].details["client_id"] == "app"


@pytest.mark.parametrize(
    ("do", "field"),
    [
        ("remove-factor", "factor_id"),
        ("end-session", "session_id"),
        ("withdraw-consent", "client_id"),
        ("end-delegation", "client_id"),
        ("withdraw-invitation", "x"),
    ],
)
def test_what_has_ended_already_is_not_found(admin: Browser, do: str, field: str):
    refused = send(admin, PAGE, do=do, confirmed="yes", **{field: "gone"})
    assert refused.status == httpx.codes.NOT_FOUND
    assert "Nothing was changed." in refused.text
