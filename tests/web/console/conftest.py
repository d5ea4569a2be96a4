"""People with different rights at the issuer, each in a browser of their own."""

from collections.abc import Callable

import pytest

from issuer.web.forms import AntiForgery
from tests.builders import URL, Deployment
from tests.html_forms import FormsOnPage
from tests.web.browsing import Browser, PageSeen

SignedIn = Callable[..., Browser]


@pytest.fixture
def signed_in(deployment: Deployment) -> SignedIn:
    """A browser in which a user is signed in who holds those scopes at the issuer."""

    def sign_in(*scopes: str, username: str = "operator") -> Browser:
        name = f"{username}-role"
        deployment.role(name, list(scopes))
        deployment.user(username, [name])
        browser = Browser(deployment.http)
        browser.sign_in(username)
        return browser

    return sign_in


@pytest.fixture
def admin(signed_in: SignedIn) -> Browser:
    return signed_in("issuer:admin", username="admin")


def forged(deployment: Deployment, browser: Browser, path: str, **fields: str) -> PageSeen:
    """The answer to a form that the person was not shown, with a token that counts."""
    key = deployment.services.web.anti_forgery_key
    token = AntiForgery(key, URL).token(browser.cookies["__Host-browser"], path)
    return browser.post(path, {"form": token, **fields})


def send(browser: Browser, path: str, **fields: str) -> PageSeen:
    """Send a form of the page at `path`, whichever of its forms has these fields."""
    page = browser.get(path)
    action = page.response.url.path
    for form in FormsOnPage(page.response.text).forms:
        if form.fields.get("form") and form.action.startswith("/console"):
            return browser.post(form.action, {"form": form.fields["form"], **fields})
    raise AssertionError(f"No form at {action}: {page.text}")
