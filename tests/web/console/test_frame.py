"""What every screen of the console has in common: who may see it, and what was just done."""

import json
from html import escape as html_escape

import httpx
import pytest

from tests.builders import Deployment
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged


def test_somebody_who_is_not_signed_in_signs_in_first(browser: Browser, alice: str):
    page = browser.get("/console/roles")
    assert page.location.startswith("/sign-in?next=")


def test_a_person_without_scopes_of_the_issuer_sees_nothing(browser: Browser, alice: str):
    browser.sign_in()
    page = browser.get("/console/roles")
    assert page.status == httpx.codes.FORBIDDEN
    assert "reader" not in page.text


def test_a_screen_is_not_shown_without_its_scope(signed_in: SignedIn):
    page = signed_in("issuer:clients:read").get("/console/roles")
    assert page.status == httpx.codes.FORBIDDEN
    assert "This needs the scope issuer:roles:read." in page.text


def test_who_may_only_read_sees_no_form_and_cannot_send_one(
    signed_in: SignedIn, deployment: Deployment
):
    browser = signed_in("issuer:roles:read")
    assert "Create role" not in browser.get("/console/roles").text
    refused = forged(deployment, browser, "/console/roles", name="mine")
    assert refused.status == httpx.codes.FORBIDDEN
    assert "mine" not in browser.get("/console/roles").text


@pytest.mark.parametrize("path", ["/", "/account"])
def test_only_those_who_may_open_the_console_see_a_link_to_it(
    signed_in: SignedIn, browser: Browser, alice: str, path: str
):
    browser.sign_in()
    assert 'href="/console"' not in browser.get(path).response.text
    assert 'href="/console"' in signed_in("issuer:audit:read").get(path).response.text
    only_registers = signed_in("issuer:clients:register", username="registrar")
    assert 'href="/console"' not in only_registers.get(path).response.text


def test_the_menu_has_only_what_may_be_seen(signed_in: SignedIn):
    text = signed_in("issuer:roles:read").get("/console/roles").text
    assert "Roles" in text
    assert "Keys" not in text


def test_what_an_earlier_version_said_was_done_is_shown_without_its_command(
    admin: Browser, deployment: Deployment
):
    """Its cookie lives for a minute, also while the issuer is upgraded."""
    said = {"text": "The role is created.", "command": {"cli": "issuer role list", "curl": ""}}
    admin.cookies["__Host-done"] = deployment.services.web.notices.seal(json.dumps(said))
    text = admin.get("/console/roles").text
    assert "The role is created." in text


def test_what_was_done_is_shown_once_with_its_command(admin: Browser):
    page = admin.get("/console/roles", new="yes")
    done = admin.submit(page, "/console/roles", name="reader", scopes="agents:read\nsessions:read")
    shown = admin.get(done.location)
    assert "The role reader is created." in shown.text
    assert "issuer role create reader --scope agents:read --scope sessions:read" in shown.text
    assert "is created" not in admin.get("/console/roles").text


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "{{ 7*7 }}", "\"'><b>"])
def test_a_text_is_shown_as_text(admin: Browser, text: str):
    page = admin.get("/console/roles", new="yes")
    admin.submit(page, "/console/roles", name="reader", description=text)
    html = admin.get("/console/roles").response.text
    assert html_escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in html
