"""`/console/audit`: who did what, filtered by the URL; one event; the download."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import update

from issuer.audit import Actor
from issuer.database.tables import AuditEventRow
from issuer.roles import Assignment
from issuer.web.console import audit
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn

PATH = "/console/audit"


def test_events_are_shown_newest_first_with_links_to_filters(
    deployment: Deployment, admin: Browser
):
    deployment.role("first", [])
    deployment.role("second", [])
    page = admin.get(PATH)
    html = page.response.text
    assert html.index("target=second") < html.index("target=first")
    assert "just now done test:operator created the role second" in page.text
    (created, *_) = events(deployment, "role.created")
    assert f'href="{PATH}?action=role.created"' in admin.get(f"{PATH}/{created.id}").response.text


def test_a_row_names_people_where_the_operator_may_read_users(
    deployment: Deployment, admin: Browser, signed_in: SignedIn
):
    deployment.role("runner", [])
    alice = deployment.user("alice", id="usr_1")
    with deployment.changing() as work:
        work.assignments.assign(alice, Assignment(role="runner", audience="my-os"))
    sentence = "assigned the role runner to {} at my-os"
    assert sentence.format("alice") in admin.get(PATH).text
    reader = signed_in("issuer:audit:read", username="reader")
    assert sentence.format("usr_1") in reader.get(PATH).text


def test_refused_events_alone_are_one_link_away(
    deployment: Deployment, admin: Browser, token_endpoint: TokenDriver
):
    deployment.client("ci-bot")
    token_endpoint.client_credentials(Credentials("ci-bot", "wrong"))
    assert f'href="{PATH}?outcome=refused">Refused only' in admin.get(PATH).response.text
    page = admin.get(PATH, outcome="refused", since="1h")
    assert (
        "refused An unauthenticated caller was refused a token as ci-bot : wrong secret"
        in page.text
    )
    assert "created the client" not in page.text
    assert f'href="{PATH}?since=1h" aria-current="true">Refused only' in page.response.text
    assert "issuer audit list --outcome refused --since 1h" in page.text
    assert "audit-events?outcome=refused&since=2026-11-25T" in page.text


def test_the_audit_log_needs_its_scope(signed_in: SignedIn):
    browser = signed_in("issuer:roles:read")
    for path in (PATH, f"{PATH}/export", f"{PATH}/1"):
        assert browser.get(path).status == httpx.codes.FORBIDDEN


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("actor", "test:operator"),
        ("action", "role.created"),
        ("target", "second"),
        ("since", "2026-11-25T12:30"),
        ("until", "2026-11-25 13:30Z"),
        ("outcome", "done"),
    ],
)
def test_the_url_filters_the_events(
    deployment: Deployment, signed_in: SignedIn, name: str, value: str
):
    browser = signed_in("issuer:audit:read")
    deployment.clock.move(timedelta(hours=1))
    deployment.role("second", [])
    deployment.clock.move(timedelta(hours=1))
    deployment.audience("another-os")
    page = browser.get(PATH, **{name: value})
    html = page.response.text
    assert ("target=second" in html, "target=another-os" in html) == (
        True,
        name in {"actor", "since", "outcome"},
    )
    assert ("target=operator-role" in html) is (name in {"actor", "action", "until", "outcome"})
    assert f"--{name} " in page.text
    lines = browser.get(f"{PATH}/export", **{name: value}).response.text.splitlines()
    assert "second" in {json.loads(line)["target"] for line in lines}


def test_a_time_that_cannot_be_read_is_said_at_its_field(admin: Browser):
    page = admin.get(PATH, since="yesterday", actor="alice")
    assert page.status == httpx.codes.BAD_REQUEST
    assert "Write a time like 2026-11-01" in page.text
    assert page.form("").fields["since"] == "yesterday"
    assert page.form("").fields["actor"] == "alice"
    for wrong in ("0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00"):
        assert admin.get(PATH, until=wrong).status == httpx.codes.BAD_REQUEST


def test_a_page_has_fifty_events_and_leads_to_those_before(deployment: Deployment, admin: Browser):
    for number in range(60):
        deployment.role(f"role-{number:02}", [])
    seen = admin.get(PATH, action="role.created")
    assert "role-10" in seen.text
    assert "role-09" not in seen.text
    older = admin.get(next_page(seen.response.text))
    assert "role-09" in older.text
    assert "role-10" not in older.text
    assert "First page" in older.text


def test_a_filter_without_an_index_looks_at_some_events_at_a_time(
    deployment: Deployment, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(audit, "_LOOKED_AT", 5)
    browser = signed_in("issuer:audit:read")
    for number in range(6):
        deployment.audience(f"os-{number}")
    page = browser.get(PATH, action="role.created")
    assert "the next page looks further back" in page.text
    while "target=operator-role" not in page.response.text:
        page = browser.get(next_page(page.response.text))


def test_one_event_is_shown_with_its_neighbours_and_its_details(
    deployment: Deployment, admin: Browser
):
    for name in ("before", "it", "after"):
        deployment.role(name, ["agents:run"])
    (event,) = [each for each in events(deployment, "role.created") if each.target == "it"]
    page = admin.get(f"{PATH}/{event.id}")
    for text in ("before", "after", "(this one)", "agents:run", event.hash.hex()):
        assert text in page.text
    assert "no signed checkpoint covers this event yet" in page.text
    deployment.services.audit.checkpoints.make()
    assert "a signed checkpoint covers this event" in admin.get(f"{PATH}/{event.id}").text


@pytest.mark.parametrize("event_id", ["999999999", "x", "9" * 30, "-1"])
def test_an_event_that_does_not_exist_is_not_found(admin: Browser, event_id: str):
    assert admin.get(f"{PATH}/{event_id}").status == httpx.codes.NOT_FOUND


def test_the_page_says_what_the_checkpoint_covers(deployment: Deployment, admin: Browser):
    assert "There is no signed checkpoint yet" in admin.get(PATH).text
    deployment.services.audit.checkpoints.make()
    deployment.role("newer", [])
    assert "Checkpoint 1 was signed just now ; 1 event is newer." in admin.get(PATH).text


def test_missing_events_are_noticed(deployment: Deployment, admin: Browser):
    deployment.services.audit.checkpoints.make()
    with deployment.services.database.changing() as session:
        session.execute(update(AuditEventRow).values(seq=-AuditEventRow.seq))
    assert "Events are missing that a checkpoint covers" in admin.get(PATH).text


def test_the_download_is_a_bounded_file_of_json_lines(
    deployment: Deployment, admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    for number in range(10):
        deployment.role(f"role-{number}", [])
    monkeypatch.setattr(audit, "_AT_ONCE", 2)
    monkeypatch.setattr(audit, "_EXPORTED", 6)
    answer = admin.get(f"{PATH}/export", action="role.created").response
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.jsonl"'
    assert answer.headers["cache-control"] == "no-store"
    targets = [json.loads(line)["target"] for line in answer.text.splitlines()]
    assert targets == [f"role-{number}" for number in range(9, 3, -1)]


def test_the_download_as_csv_has_a_sentence_and_runs_nothing_in_a_spreadsheet(
    deployment: Deployment, admin: Browser, token_endpoint: TokenDriver
):
    token_endpoint.client_credentials(Credentials("+1+1", "x"))
    answer = admin.get(f"{PATH}/export", format="csv", outcome="refused").response
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["event"].startswith("An unauthenticated caller was refused a token as +1+1")
    assert (row["target"], row["actor"], row["outcome"]) == ("'+1+1", "", "refused")
    assert json.loads(row["details"]) == {"error": "invalid_client"}


def test_an_unknown_filter_is_said_at_its_field_with_the_name_most_like_it(admin: Browser):
    page = admin.get(PATH, action="role.creatd", outcome="lost")
    assert page.status == httpx.codes.BAD_REQUEST
    assert "There is no action 'role.creatd'. Did you mean role.created?" in page.text
    assert "Choose done or refused." in page.text


def test_markup_in_an_event_is_text(deployment: Deployment, admin: Browser):
    name = "<b>x</b>"
    deployment.audience("second", name=name)
    event = events(deployment, "audience.created")[-1]
    for path in (PATH, f"{PATH}/{event.id}"):
        html = admin.get(path, actor=name).response.text
        assert "&lt;b&gt;x&lt;/b&gt;" in html
        assert name not in html


def next_page(html: str) -> str:
    (url,) = re.findall(r'href="([^"]*)" rel="next"', html)
    return unescape(url)


def test_the_event_of_an_exchange_says_who_acts_for_whom(deployment: Deployment, admin: Browser):
    """In the order in which they act: each with a token that the one before it got."""
    with deployment.services.administration.auditing(Actor("archivist")) as trail:
        chain = {"actors": ["archivist", "agents"], "subject_token": "jti-of-agents"}
        trail.note("token.issued", "alice", **chain)
    text = admin.get(PATH).text
    assert "alice through agents, then archivist" in text
    (event,) = events(deployment, "token.issued")[-1:]
    text = admin.get(f"{PATH}/{event.id}").text
    assert "On behalf of alice , through agents , then archivist" in text
    assert "Subject token jti-of-agents" in text
