"""People with different rights at the issuer, each in a browser of their own."""

from collections.abc import Callable, Iterable

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow, Base
from issuer.scopes import ISSUER_ADMIN
from issuer.web.visit import Csrf
from tests.builders import URL, Deployment
from tests.html_forms import FormsOnPage
from tests.sign_in.authorizing import sign_in
from tests.web.browsing import Browser, PageSeen
from tests.web.console.screens import furnished

SignedIn = Callable[..., Browser]
_WITHOUT_CHANGE = {
    *("sessions", "audit_events", "audit_checkpoints"),
    *("token_counts", "token_counts_progress"),
}


@pytest.fixture
def signed_in(deployment: Deployment) -> SignedIn:
    """A browser in which a user is signed in who holds those scopes at the issuer."""

    def hold(*scopes: str, username: str = "operator") -> Browser:
        name = f"{username}-role"
        deployment.role(name, list(scopes))
        deployment.user(username, [name])
        browser = Browser(deployment.http)
        browser.sign_in(username)
        return browser

    return hold


def person(deployment: Deployment, username: str, scopes: Iterable[str], **fields: str) -> Browser:
    """The same without the time that passwords take: the new user has none, and has a session."""
    name = f"{username}-role"
    deployment.role(name, list(scopes))
    user_id = deployment.user(username, [name], password=None, **fields)
    browser = Browser(deployment.http)
    browser.get("/sign-in")
    browser.cookies["__Host-session"] = sign_in(deployment, user_id).cookie
    return browser


@pytest.fixture
def admin(signed_in: SignedIn) -> Browser:
    return signed_in("issuer:admin", username="admin")


@pytest.fixture(scope="module")
def issuer(shared: Deployment) -> Deployment:
    """With something on each screen, for all tests of a module."""
    furnished(shared)
    return shared


@pytest.fixture(scope="module")
def boss(issuer: Deployment) -> Browser:
    return person(issuer, "boss", [ISSUER_ADMIN])


def form_token(deployment: Deployment, browser: Browser, purpose: str) -> str:
    """The anti-forgery token of a form that the browser was not shown."""
    key = deployment.services.web.anti_forgery_key
    return Csrf(key, URL).token(browser.cookies["__Host-browser"], purpose)


def forged(deployment: Deployment, browser: Browser, path: str, **fields: str) -> PageSeen:
    """The answer to a form that the person was not shown, with a token that counts."""
    return browser.post(path, {"form": form_token(deployment, browser, path), **fields})


def stored(deployment: Deployment) -> dict[str, list[str]]:
    """Every row that a change writes. Sessions and refusals are written without one."""
    tables = [each for each in Base.metadata.sorted_tables if each.name not in _WITHOUT_CHANGE]
    done = select(AuditEventRow.action, AuditEventRow.target).where(AuditEventRow.outcome == "done")
    with deployment.services.database.reading() as session:
        rows = {each.name: session.execute(select(each)).all() for each in tables}
        rows["audit_events"] = session.execute(done).all()
    return {name: sorted(map(repr, found)) for name, found in rows.items()}


def send(browser: Browser, path: str, **fields: str) -> PageSeen:
    """Send a form of the page at `path`, whichever of its forms has these fields."""
    page = browser.get(path)
    action = page.response.url.path
    for form in FormsOnPage(page.response.text).forms:
        if form.fields.get("form") and form.action.startswith("/console"):
            return browser.post(form.action, {"form": form.fields["form"], **fields})
    raise AssertionError(f"No form at {action}: {page.text}")
