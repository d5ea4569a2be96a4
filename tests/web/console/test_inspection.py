"""Inspections on the page of an audience."""

from collections.abc import Iterator

import pytest

from tests.builders import URL, Deployment
from tests.inspection.fake_agentos import FakeAgentOS, inspectable, two_inspecting
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged, send

PAGE = "/console/audiences/my-os"
READ, WRITE = "issuer:audiences:read", "issuer:audiences:write"


@pytest.fixture
def agent_os(deployment: Deployment) -> Iterator[FakeAgentOS]:
    with inspectable(deployment) as agent_os:
        yield agent_os


def test_an_agentos_is_inspected_by_a_button(signed_in: SignedIn, agent_os: FakeAgentOS):
    agent_os.open.add("/sessions")
    operator = signed_in(WRITE)
    assert "It was not inspected yet" in operator.get(PAGE).text
    done = send(operator, PAGE, do="inspect")
    shown = operator.get(done.location).text
    assert "The AgentOS is inspected: 1 finding." in shown
    assert "issuer audience inspect my-os" in shown
    for text in ("3.1.10", "Web web", "Billing billing", "support", "a2a", "agui", "mcp"):
        assert text in shown
    assert "GET /sessions without a token: 200" in shown
    agent_os.open.clear()
    done = send(operator, PAGE, do="inspect")
    assert "Nothing was found that is exposed." in operator.get(done.location).text


def test_only_who_may_change_audiences_inspects(
    deployment: Deployment, signed_in: SignedIn, agent_os: FakeAgentOS
):
    reader = signed_in(READ)
    page = reader.get(PAGE)
    assert "It was not inspected yet" in page.text
    assert 'value="inspect"' not in page.response.text
    assert forged(deployment, reader, PAGE, do="inspect").status == 403
    assert agent_os.requests == []


def test_the_reason_is_shown_where_nothing_was_inspected(
    deployment: Deployment, admin: Browser, agent_os: FakeAgentOS
):
    with deployment.changing() as work:
        work.audiences.update("my-os", {"url": "http://127.0.0.1:1"})
    refused = send(admin, PAGE, do="inspect")
    assert refused.status == 409
    assert "does not answer: cannot connect" in refused.text


def test_a_third_inspection_at_a_time_is_told_when_to_try_again(
    deployment: Deployment, admin: Browser, agent_os: FakeAgentOS
):
    with two_inspecting(deployment, agent_os):
        refused = send(admin, PAGE, do="inspect")
    assert (refused.status, refused.response.headers["retry-after"]) == (429, "45")
    assert "Two inspections are running. Try again in a minute." in refused.text


def test_without_a_url_there_is_no_button(admin: Browser):
    page = admin.get(PAGE)
    assert "With the URL of the AgentOS" in page.text
    assert 'value="inspect"' not in page.response.text
    own = admin.get(f"/console/audiences/{URL.replace('/', '%2F')}")
    assert "What is there" not in own.text


def test_only_an_admin_changes_the_url(signed_in: SignedIn, admin: Browser):
    operator = signed_in(WRITE)
    for browser, status in ((operator, 403), (admin, 303)):
        form = browser.get(PAGE, edit="yes").form(PAGE).fields
        kept = {name: value for name, value in form.items() if name != "include_roles"}
        sent = {**kept, "signing_alg": "ES256", "do": "save", "url": "https://os.example"}
        assert browser.post(PAGE, sent).status == status
    assert "https://os.example" in admin.get(PAGE).text


def test_names_with_markup_stay_text(admin: Browser, agent_os: FakeAgentOS):
    agent_os.names = {"web": "<script>alert(1)</script>\u202e{{7*7}}"}
    send(admin, PAGE, do="inspect")
    page = admin.get(PAGE)
    assert "<script>alert(1)" not in page.response.text
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;\u202e{{7*7}}</bdi>" in page.response.text
