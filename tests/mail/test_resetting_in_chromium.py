"""Somebody who forgot the password, in Chromium without JavaScript, on a running server."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyotp import TOTP

from tests.builders import PASSWORD
from tests.chromium import in_chromium, running_chromium
from tests.journeys.running_issuer import RunningIssuer
from tests.mail.sending import sending_through
from tests.mail.smtp_server import SmtpReceiver
from tests.web.test_in_chromium import sync_api

pytestmark = in_chromium

NEW = "a password that ada has chosen"


@pytest.fixture
def issuer(tmp_path: Path, receiver: SmtpReceiver) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path, **sending_through(receiver)) as issuer:
        yield issuer


@pytest.fixture
def page() -> Iterator[sync_api.Page]:
    with running_chromium() as browser:
        yield browser.new_context(java_script_enabled=False).new_page()


def test_a_forgotten_password_is_reset_and_the_second_factor_is_asked_for(
    issuer: RunningIssuer, receiver: SmtpReceiver, page: sync_api.Page
):
    ada = issuer.deployment.user("ada", email="ada@example.com", email_verified=True)
    with issuer.deployment.changing() as work:
        setup = work.factors.begin_totp(ada)
        code = TOTP(setup.secret).now()
        recovery_code = work.factors.confirm_totp(ada, setup.sealed, code)[0]
    page.goto(f"{issuer.url}/account")
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("User name or e-mail address").fill("ADA@example.com")
    page.get_by_role("button", name="Send a link").click()
    assert page.get_by_role("heading", name="Check your mail").is_visible()
    message = receiver.next().get_content()
    (link,) = re.findall(r"^http\S+/password-reset/\S+", message, re.MULTILINE)
    page.goto(link)
    page.get_by_label("New password", exact=True).fill("short")
    page.get_by_label("New password again").fill("short")
    page.get_by_role("button", name="Set password").click()
    assert "12 to 256 characters" in page.content()
    page.get_by_label("New password", exact=True).fill(NEW)
    page.get_by_label("New password again").fill(NEW)
    page.keyboard.press("Enter")
    page.wait_for_url("**/sign-in?*")
    assert "Your password is changed" in page.get_by_role("status").inner_text()
    for password, path in ((PASSWORD, "/sign-in"), (NEW, "/sign-in/second-factor")):
        page.get_by_label("User name").fill("ada")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Sign in").click()
        assert urlsplit(page.url).path == path
    page.get_by_label("Code").fill(recovery_code)
    page.keyboard.press("Enter")
    page.wait_for_url("**/account")
    page.goto(link)
    assert "does not work any more" in page.content()
