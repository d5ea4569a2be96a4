"""The table of the review: what each client and user holds at an AgentOS, and what is enough."""

import gzip
import re

import pytest

from issuer.roles import Assignment
from issuer.users.user import UserFields
from tests.builders import Deployment
from tests.html_forms import FormsOnPage
from tests.usage.reporting import used, used_daily
from tests.web.browsing import PageSeen
from tests.web.console.conftest import SignedIn
from tests.web.console.screens import REVIEWED

PATH, RUN = "/console/review", "agents:web:run"


def shown(page: PageSeen) -> list[str]:
    """The rows of the table as texts."""
    table = page.response.text.partition("<tbody>")[2].partition("</tbody>")[0]
    rows = table.split("<tr>")[1:]
    return [" ".join(" ".join(FormsOnPage(row).words).split()) for row in rows]


def names(page: PageSeen) -> list[str]:
    return [row.split()[0] for row in shown(page)]


@pytest.fixture
def reviewed(deployment: Deployment) -> None:
    """Reports of a month about four clients, and a second AgentOS without any."""
    deployment.audience("other-os")
    deployment.client("broad", scopes=["agents:run", "sessions:read"])
    deployment.client("exact", scopes=[RUN])
    deployment.client("idle", scopes=["agents:run"])
    deployment.client("zebra", scopes=["agents:run"], audiences=["other-os"])
    used_daily(deployment, {("broad", RUN): (2, 0), ("exact", RUN): (1, 0)})


def test_each_row_has_what_is_held_used_and_enough(
    deployment: Deployment, reviewed: None, signed_in: SignedIn
):
    page = signed_in(*REVIEWED).get(PATH)
    assert shown(page) == [
        "broad client my-os agents:run , sessions:read yesterday , 62 requests agents:web:run"
        " What is enough? For client broad",
        "exact client my-os agents:web:run yesterday , 31 requests all of it",
        "idle client my-os agents:run not reported nothing What is enough? For client idle",
        "zebra client other-os agents:run not reported unknown",
    ]


def test_it_is_filtered_by_agentos_holder_and_what_is_to_do(reviewed: None, signed_in: SignedIn):
    browser = signed_in(*REVIEWED)
    assert names(browser.get(PATH, at="other-os")) == ["zebra"]
    assert names(browser.get(PATH, show="unused")) == ["idle"]
    assert names(browser.get(PATH, show="too much")) == ["broad"]
    assert names(browser.get(PATH, show="enough", at="my-os")) == ["exact"]
    assert names(browser.get(PATH, holder="RO")) == ["broad"]
    assert len(names(browser.get(PATH, show="x", page="x", sort="x"))) == 4
    assert "Nobody matches." in browser.get(PATH, at="unknown").text


def test_it_is_sorted(reviewed: None, signed_in: SignedIn):
    browser = signed_in(*REVIEWED)
    assert names(browser.get(PATH, sort="used", order="desc")) == [
        "broad",
        "exact",
        "idle",
        "zebra",
    ]
    assert names(browser.get(PATH, sort="used"))[:2] == ["idle", "zebra"]
    assert names(browser.get(PATH, sort="holds", order="desc"))[0] == "broad"
    assert names(browser.get(PATH, sort="holder", order="desc"))[0] == "zebra"


def test_before_there_are_verdicts_it_has_who_used_something(
    deployment: Deployment, signed_in: SignedIn
):
    twice = deployment.role("runner", ["agents:run"])
    deployment.client("ci", [twice], scopes=["agents:run"])
    deployment.client("other", scopes=["agents:run"])
    used(deployment, {("ci", RUN): (3, 0)})
    page = signed_in(*REVIEWED).get(PATH)
    assert shown(page) == ["ci client my-os agents:run today , 3 requests unknown"]


def test_a_thousand_people_come_in_pages(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:run", "sessions:read", "traces:read", "metrics:read"])
    users = [f"u{number:04}" for number in range(1_000)]
    with deployment.changing() as work:
        ids = [work.users.create(UserFields.read({"username": name})).id for name in users]
        for user in ids:
            work.assignments.assign(user, Assignment(role="runner", audience="my-os"))
    used_daily(deployment, {(ids[0], RUN): (1, 0)})
    browser = signed_in(*REVIEWED)
    page = browser.get(PATH, show="unused")
    assert "enough 999" in page.text
    assert names(page) == users[1:51]
    assert len(gzip.compress(page.response.content)) < 30_000
    (following,) = re.findall(r'href="([^"]*)" rel="next"', page.response.text)
    assert names(browser.get(following.replace("&amp;", "&"))) == users[51:101]
