"""`/console/review`: from what nobody uses to a plan that takes it away, without typing a scope."""

import re
from datetime import timedelta
from html import escape, unescape
from importlib import resources

import httpx
import pytest

from issuer.audit import Actor
from issuer.manifest.exporting import write_yaml
from issuer.review.evidence import FindingKind
from issuer.review.proposals import propose
from issuer.roles import Assignment
from issuer.web.console import review as review_screen
from tests.builders import Deployment
from tests.html_forms import FormsOnPage
from tests.rows import rows
from tests.usage.reporting import used_daily
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn
from tests.web.console.screens import REVIEWED

PATH, CONFIGURATION = "/console/review", "/console/configuration"


@pytest.fixture(autouse=True)
def ci(deployment: Deployment) -> str:
    """A client that has run one agent for a month."""
    client = deployment.client("ci", scopes=["agents:run", "sessions:read"])
    used_daily(deployment, {("ci", "agents:web:run"): (1, 0)})
    return client.client_id


def test_it_shows_what_is_not_used_and_where_that_is_unknown(
    deployment: Deployment, signed_in: SignedIn
):
    deployment.audience("other-os")
    page = signed_in(*REVIEWED).get(PATH)
    assert "Client ci holds sessions:read at my-os" in page.text
    assert "no verifier reports what is used" in page.text


def test_what_one_client_or_role_does_not_use_is_one_item(
    deployment: Deployment, signed_in: SignedIn
):
    with deployment.changing() as work:
        work.clients.update("ci", {"scopes": ["agents:run", "sessions:read", "traces:read"]})
    for name in ("reader", "role"):
        deployment.role(name, ["memories:read"])
    used_daily(deployment, {("ci", "agents:web:run"): (1, 0)})
    page = signed_in(*REVIEWED).get(PATH)
    html = page.response.text
    unused = html.partition("Rights that nobody used")[2].partition("</section>")[0]
    assert unused.count("propose=ci") == 1
    assert unused.count('<a href="/console/clients/ci"><bdi>ci</bdi></a> holds ') == 2
    for name in ("reader", "role"):
        link = f'<a href="/console/roles/{name}"><bdi>{name}</bdi></a>'
        assert f"<li><div><p>Role {link}: nobody" in html
    assert "Roles that nobody holds 2" in page.text


def test_it_leads_to_what_is_enough_instead_of_a_right_that_is_partly_used(admin: Browser, ci: str):
    page = admin.get(PATH)
    assert "Rights that were partly used 1" in page.text
    assert "and used only agents:web:run of it." in page.text
    partly = page.response.text.partition("were partly used")[2].partition("</section>")[0]
    assert f"?propose={ci}" in partly


def test_every_kind_of_finding_has_a_heading():
    template = resources.files("issuer.web") / "templates/console/review.html"
    assert all(f'"{kind}": "' in template.read_text() for kind in FindingKind)


def test_it_says_when_not_everything_is_shown(signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch):
    browser = signed_in(*REVIEWED)
    assert "There is more" not in browser.get(PATH).text
    monkeypatch.setattr(review_screen, "_LOOKED_AT", 1)
    assert "There is more: this page looks at the first 1 clients" in browser.get(PATH).text


def test_a_proposal_is_planned_and_applied(deployment: Deployment, admin: Browser, ci: str):
    page = admin.get(PATH, propose=ci)
    with deployment.services.administration.reading() as work:
        source = write_yaml(dict(propose(work, ci, deployment.clock()).manifest))
    assert escape(source.splitlines()[1]) in page.response.text
    planned = admin.submit(page, CONFIGURATION, do="plan", source=source)
    assert "ci" in planned.text
    admin.submit(planned, CONFIGURATION, do="apply", source=source)
    with deployment.services.administration.reading() as work:
        assert work.clients.get(ci).scopes == ["agents:web:run"]


def test_why_there_is_no_proposal_is_said_on_the_review(deployment: Deployment, admin: Browser):
    deployment.audience("other-os")
    other = deployment.client("other", scopes=["agents:run"], audiences=["other-os"])
    page = admin.get(PATH, propose=other.client_id)
    assert page.status == httpx.codes.CONFLICT
    assert "What is used at other-os is unknown" in page.text


def test_the_access_review_is_a_page_to_print(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:web:run"])
    alice, boss = deployment.user("alice", id="usr-alice"), deployment.user("boss", id="usr-boss")
    end = deployment.clock() + timedelta(days=7)
    with deployment.services.administration.changing(Actor(boss, is_local=True)) as work:
        work.assignments.assign(alice, Assignment(role="runner", audience="my-os", expires_at=end))
    browser = signed_in(*REVIEWED)
    assert f'href="{PATH}/access">Print</a>' in browser.get(PATH).response.text
    page = browser.get(f"{PATH}/access")
    assert "on 2026-12-26 12:00 UTC, listed for operator." in page.text
    assert "Unknown what is used" not in page.text
    assert "client ci my-os agents:run its own scopes unknown no end 2026-12-25" in page.text
    assert "client ci my-os sessions:read its own scopes unknown no end unused" in page.text
    (row,) = (each for each in page.response.text.splitlines() if "usr-alice" in each)
    shown = " ".join(" ".join(FormsOnPage(row).words).split())
    assert shown.startswith("user alice usr-alice my-os agents:web:run the role runner at my-os")
    assert shown.endswith("2026-12-26 by boss 2027-01-02 unknown")
    assert '<button type="button" class="quiet little" data-print hidden>' in page.response.text


def test_the_page_to_print_says_where_use_is_unknown(deployment: Deployment, signed_in: SignedIn):
    deployment.audience("other-os")
    deployment.audience("unused-os")
    deployment.client("other", scopes=["agents:run"], audiences=["other-os"])
    text = signed_in(*REVIEWED).get(f"{PATH}/access").text
    assert "Unknown what is used at other-os: no verifier reports what is used." in text
    assert "unused-os" not in text


def test_a_long_access_review_has_pages(
    deployment: Deployment, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(review_screen, "_ON_A_PAGE", 2)
    strange = deployment.client("https://a.example/?b=c:d&e", scopes=["agents:run"]).client_id
    browser = signed_in(*REVIEWED)
    page = browser.get(f"{PATH}/access")
    assert "More follows on the next page." in page.text
    seen = page.text
    while found := re.findall(r'href="([^"]*)" rel="next"', page.response.text):
        page = browser.get(unescape(found[0]))
        assert "First page" in page.text
        seen += page.text
    assert [seen.count(each) for each in ("sessions:read", strange)] == [1, 1]


@rows("after", ["", "ci", "client:x:ci", "role:0:ci", "client:-1:ci", "client:9999999999:ci"])
def test_what_is_no_place_in_the_access_review_is_its_beginning(admin: Browser, after: str):
    assert "client ci my-os agents:run" in admin.get(f"{PATH}/access", after=after).text


def test_the_access_review_is_downloaded(signed_in: SignedIn):
    answer = signed_in(*REVIEWED).get(f"{PATH}/export").response
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    header, *lines = answer.text.splitlines()
    assert header.startswith("kind,id,name,audience,scope,through")
    assert any(line.startswith("client,ci,,my-os,sessions:read,its own scopes") for line in lines)


@pytest.mark.parametrize("missing", REVIEWED)
def test_it_needs_the_right_to_read_what_it_shows(signed_in: SignedIn, missing: str):
    browser = signed_in(*(scope for scope in REVIEWED if scope != missing))
    for path in (PATH, f"{PATH}?propose=ci", f"{PATH}/access", f"{PATH}/export"):
        assert browser.get(path).status == httpx.codes.FORBIDDEN
