"""The console says when clients, users, roles and rights were last used, from the first report."""

from datetime import timedelta

import pytest

from issuer.review.reviewing import review
from issuer.roles import Assignment
from issuer.web.console.rights import last_use
from issuer.web.console.rights.last_use import of_reports
from tests.builders import Deployment
from tests.html_forms import FormsOnPage
from tests.rows import rows
from tests.usage.reporting import used, used_daily
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn
from tests.web.console.screens import REVIEWED

RUN, READ = "agents:web:run", "sessions:read"


def row(browser: Browser, path: str, name: str, **query: str) -> str:
    """The text of the row of a table that begins with the name."""
    html = browser.get(path, **query).response.text
    found = (each for each in html.split("<tr>") if f">{name}</a>" in each.partition("</th>")[0])
    return " ".join(" ".join(FormsOnPage(next(found)).words).split())


@pytest.fixture
def used_yesterday(deployment: Deployment) -> None:
    """Alice used the role `runner` through the client `desk` yesterday; others used nothing."""
    deployment.role("runner", ["agents:run"])
    deployment.role("reader", [READ])
    deployment.client("desk", ["reader"])
    deployment.client("idle", ["reader"])
    for name in ("alice", "bob"):
        deployment.user(name, ["runner"], id=name, password=None)
    used(deployment, {("alice", RUN): (3, 0), ("bob", RUN): (0, 2)}, client_id="desk")
    deployment.clock.move(timedelta(days=1))


def test_the_lists_say_when_each_was_last_used(
    deployment: Deployment, used_yesterday: None, signed_in: SignedIn
):
    browser = signed_in(*REVIEWED)
    assert " yesterday " in row(browser, "/console/users", "alice")
    assert " yesterday " in row(browser, "/console/clients", "desk")
    assert " yesterday " in row(browser, "/console/roles", "runner")
    for path, name in (("users", "bob"), ("roles", "reader")):
        assert " not reported " in row(browser, f"/console/{path}", name)
    assert " never " in row(browser, "/console/clients", "idle")
    used(deployment, {("desk", READ): (1, 0)})
    assert " today " in row(browser, "/console/roles", "reader")


def test_the_matrix_says_it_of_its_audience(
    deployment: Deployment, used_yesterday: None, signed_in: SignedIn
):
    deployment.audience("other-os")
    browser = signed_in(*REVIEWED)
    assert "yesterday" in row(browser, "/console/audiences/my-os", "alice")
    assert "yesterday" in row(browser, "/console/audiences/my-os", "desk")
    assert "not reported" in row(browser, "/console/audiences/other-os", "alice")


@rows("path", ["/console/clients", "/console/users", "/console/roles", "/console/audiences/my-os"])
def test_it_needs_the_scopes_of_a_review(
    deployment: Deployment, admin: Browser, signed_in: SignedIn, path: str
):
    name = path.rpartition("/")[2]
    reads = {scope for scope in REVIEWED if scope != "issuer:roles:read"}
    if path.endswith("roles"):
        reads = {"issuer:roles:read"}
    deployment.role(f"{name}-used", ["agents:run"])
    deployment.client(f"{name}-client")
    user = deployment.user(f"{name}-user", [f"{name}-used"], password=None)
    used(deployment, {(user, RUN): (1, 0)}, client_id=f"{name}-client")
    assert ">today</time>" in admin.get(path).response.text
    assert ">today</time>" not in signed_in(*reads, username=name).get(path).response.text


def test_a_role_is_used_by_whom_it_gives_what_was_needed_when_it_was_needed(
    deployment: Deployment, admin: Browser
):
    deployment.audience("other-os")
    for name in ("elsewhere", "unneeded", "through-group", "later"):
        deployment.role(name, [READ if name == "unneeded" else "agents:run"])
    user = deployment.user("alice", ["unneeded"], id="alice", password=None)
    deployment.group("Night", [user], ["through-group"])
    with deployment.changing() as work:
        work.assignments.assign(user, Assignment(role="elsewhere", audience="other-os"))
    used(deployment, {(user, RUN): (0, 1)})
    assert "not reported" in row(admin, "/console/roles", "through-group")
    used(deployment, {(user, RUN): (1, 0)})
    with deployment.changing() as work:
        work.assignments.assign(user, Assignment(role="later"))
    used(deployment, {(user, RUN): (1, 0)})
    texts = {
        name: row(admin, "/console/roles", name) for name in ("elsewhere", "unneeded", "later")
    }
    assert "today" in row(admin, "/console/roles", "through-group")
    assert all("not reported" in text for text in texts.values()), texts


def test_reports_about_an_earlier_one_of_the_same_id_do_not_count(
    deployment: Deployment, used_yesterday: None, admin: Browser
):
    with deployment.changing() as work:
        work.users.delete("alice")
        work.users.delete("bob")
        work.roles.delete("runner")
    deployment.role("runner", ["agents:run"])
    deployment.user("alice", ["runner"], id="alice", password=None)
    assert "not reported" in row(admin, "/console/users", "alice")
    assert "not reported" in row(admin, "/console/roles", "runner")


def test_a_right_says_how_often_it_was_used_and_when_verdicts_come(
    deployment: Deployment, admin: Browser
):
    """It is 25 November; 30 whole days follow the first one that was reported."""
    deployment.role("runner", ["agents:run", READ])
    client = deployment.client("ci", ["runner"]).client_id
    user = deployment.user("alice", id="alice", password=None)
    with deployment.changing() as work:
        work.assignments.assign(user, Assignment(role="runner", audience="my-os"))
    missing = "Unknown what is used at my-os: no verifier reports what is used."
    assert missing in admin.get(f"/console/users/{user}", at="my-os").text
    used(deployment, {(client, RUN): (40, 2)})
    used(deployment, {(user, RUN): (1, 0)}, client_id=client)
    begun = "since today; first verdicts on 25 December."
    page = admin.get(f"/console/clients/{client}", at="my-os")
    assert f"my-os: 41 requests {begun}" in page.text
    assert "today , 41 requests" in page.text
    page = admin.get(f"/console/users/{user}", at="my-os")
    assert f"my-os: 1 request {begun}" in page.text
    assert "today , 1 request " in page.text
    assert "not reported" in page.text
    for path in ("/console/review", "/console/review/access"):
        assert f"my-os: 43 requests {begun}" in admin.get(path).text


def test_gaps_in_the_reports_postpone_verdicts(deployment: Deployment):
    deployment.client("ci", scopes=["agents:run"])
    used_daily(deployment, {("ci", RUN): (1, 0)}, days=40)
    with deployment.services.administration.reading() as work:
        assert of_reports(work, review(work, deployment.clock()).coverage) == []
    deployment.clock.move(timedelta(days=2))
    with deployment.services.administration.reading() as work:
        (sentence,) = of_reports(work, review(work, deployment.clock()).coverage)
    assert sentence == (
        "Unknown what is used at my-os: no reports on 2 of 30 days, such as 2027-01-05;"
        " next verdicts on 5 February."
    )


def test_of_a_client_that_very_many_use_the_newest_uses_count(
    deployment: Deployment, admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(last_use, "_COUNTED", 3)
    client = deployment.client("desk", scopes=["agents:run"]).client_id
    used(deployment, {(f"user-{n}", RUN): (1, 0) for n in range(3)}, client_id=client)
    assert "today , 3 requests" in admin.get(f"/console/clients/{client}", at="my-os").text
    deployment.clock.move(timedelta(days=1))
    used(deployment, {(f"user-{n}", RUN): (1, 0) for n in range(4)}, client_id=client)
    browser = Browser(deployment.http)
    browser.sign_in("admin")
    page = browser.get(f"/console/clients/{client}", at="my-os")
    assert "today , 4 requests" in page.text
    assert "Counted since 2026-11-26: it is used by many." in page.text
