"""Requests that waited for another change, which ended what they were allowed by."""

import json
from collections.abc import Callable

import httpx
import pytest
from pyotp import TOTP

from issuer.audit import Actor
from issuer.directory import UserRecord
from issuer.roles import Assignment
from issuer.sign_in import Factor, InvitationFields
from tests.builders import PASSWORD, URL, Deployment, FakeClock
from tests.interleaving import right_after
from tests.sign_in.people import HOME, People
from tests.web.browsing import Browser, PageSeen, path_of
from tests.web.test_passkeys import Script
from tests.web.test_second_factor import ADD, NEW, PAGE, REQUIRED, secret_of

FIRST = "/sign-in/authenticator"
SESSION_READ, USER_READ = "FROM sessions", "FROM users"


@pytest.fixture
def reset(deployment: Deployment, alice: str) -> Callable[[], None]:
    """What an operator does where somebody else may have signed in as alice."""

    def reset() -> None:
        with deployment.changing() as work:
            work.factors.reset(alice)

    return reset


def factors(deployment: Deployment, user_id: str) -> list[Factor]:
    with deployment.services.administration.reading() as work:
        return work.factors.of_user(user_id)


def assert_refused(page: PageSeen) -> None:
    assert page.status == httpx.codes.BAD_REQUEST
    assert "Something changed while the page was open" in page.text


def test_a_session_that_ended_meanwhile_adds_no_app(
    deployment: Deployment,
    browser: Browser,
    alice: str,
    clock: FakeClock,
    reset: Callable[[], None],
):
    browser.sign_in()
    page = browser.get(ADD)
    code = TOTP(secret_of(page)).at(clock())
    with right_after(deployment, SESSION_READ, reset):
        assert_refused(browser.submit(page, ADD, code=code))
    assert factors(deployment, alice) == []


def test_a_session_that_ended_meanwhile_adds_no_passkey(
    deployment: Deployment, browser: Browser, alice: str, reset: Callable[[], None]
):
    script = Script(browser)
    browser.sign_in()
    fields = {**browser.get("/account/passkey").form("").fields, "name": "Laptop"}
    options = script.options(fields, "/passkeys/register")
    credential = json.dumps(script.passkey.create(json.dumps(options)))
    with right_after(deployment, SESSION_READ, reset):
        assert_refused(browser.post("/passkeys/register", {**fields, "credential": credential}))
    assert factors(deployment, alice) == []


@pytest.mark.parametrize("path", ["/account/remove-factor", "/account/recovery-codes"])
def test_a_session_that_ended_meanwhile_changes_no_factor(
    deployment: Deployment, browser: Browser, alice: str, people: People, path: str
):
    phone = people.app_of(alice)
    browser.submit(browser.follow(browser.sign_in()), PAGE, code=phone.code())
    (factor,) = factors(deployment, alice)
    page = browser.get(path, factor=factor.id)

    def sign_out_everywhere() -> None:
        with deployment.changing() as work:
            work.users.revoke_tokens(alice)

    with right_after(deployment, SESSION_READ, sign_out_everywhere):
        assert_refused(browser.submit(page, path))
    assert factors(deployment, alice) == [factor]
    deployment.services.factors.second_factor.check_code(alice, phone.recovery_codes[0], HOME)


def test_a_session_that_ended_meanwhile_sets_no_password(
    deployment: Deployment, browser: Browser, alice: str
):
    browser.sign_in()
    page = browser.get("/account/password")
    (session,) = deployment.services.people.sessions.of_user(alice)

    def sign_out() -> None:
        with deployment.changing() as work:
            work.sessions.end(alice, session.id)

    typed = {"password": PASSWORD, "new_password": NEW, "repeated": NEW}
    with right_after(deployment, SESSION_READ, sign_out):
        assert_refused(browser.submit(page, "/account/password", **typed))
    assert Browser(deployment.http).sign_in().location == "/account"


@REQUIRED
def test_the_first_factor_is_no_second_one_that_was_added_meanwhile(
    deployment: Deployment, browser: Browser, alice: str, clock: FakeClock, people: People
):
    page = browser.follow(browser.sign_in())
    code = TOTP(secret_of(page)).at(clock())
    with right_after(deployment, USER_READ, lambda: people.passkey_of(alice)):
        assert_refused(browser.submit(page, FIRST, code=code))
    assert [each.kind for each in factors(deployment, alice)] == ["passkey"]


@REQUIRED
def test_a_sign_in_that_ended_meanwhile_adds_no_first_passkey(
    deployment: Deployment, browser: Browser, alice: str, reset: Callable[[], None]
):
    script = Script(browser)
    fields = browser.follow(browser.sign_in()).form(FIRST).fields
    options = script.options(fields, "/passkeys/first")
    credential = json.dumps(script.passkey.create(json.dumps(options)))
    with right_after(deployment, USER_READ, reset):
        assert_refused(browser.post("/passkeys/first", {**fields, "credential": credential}))
    assert factors(deployment, alice) == []


def test_nobody_is_signed_in_by_an_invitation_who_got_rights_meanwhile(
    deployment: Deployment, browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    """The password ended after it was set, and before the session begins."""
    bob = deployment.user("bob", password=None)
    deployment.role("administrator", ["issuer:admin"])
    deployment.role("helpdesk", ["issuer:users:write"])
    deployment.user("helper", id="helpdesk", roles=["helpdesk"])
    administration = deployment.services.administration
    with administration.changing(Actor("helpdesk"), ["issuer:users:write"]) as work:
        link = path_of(work.invitations.create(bob, InvitationFields()).url)
    directory = deployment.services.tokens.directory
    load = directory.load_user

    def promoted_first(user_id: str) -> UserRecord | None:
        monkeypatch.undo()
        with deployment.changing() as work:
            work.assignments.assign(bob, Assignment(role="administrator", audience=URL))
        return load(user_id)

    page = browser.get(link)
    monkeypatch.setattr(directory, "load_user", promoted_first)
    assert_refused(browser.submit(page, link, new_password=NEW, repeated=NEW))
    assert deployment.services.people.sessions.of_user(bob) == []


def test_a_session_that_ended_meanwhile_has_no_rights_that_its_user_got_since(
    deployment: Deployment, browser: Browser, alice: str, monkeypatch: pytest.MonkeyPatch
):
    """The session is found, the user is promoted, which ends it, and then the rights are read."""
    deployment.role("administrator", ["issuer:admin"])
    browser.sign_in()
    directory = deployment.services.tokens.directory
    load = directory.load_user

    def promoted_first(user_id: str) -> UserRecord | None:
        monkeypatch.undo()
        with deployment.changing() as work:
            work.assignments.assign(alice, Assignment(role="administrator", audience=URL))
        return load(user_id)

    monkeypatch.setattr(directory, "load_user", promoted_first)
    assert browser.get("/console/roles").status != httpx.codes.OK
