"""`/console`: what needs attention, the first steps, how much there is, tokens, latest changes."""

import re
from datetime import timedelta
from html import unescape

import httpx
import pytest
from sqlalchemy import update

from issuer.audit import Actor
from issuer.database.tables import AuditEventRow
from issuer.status.report import server_status
from tests.builders import OPERATOR, Credentials, Deployment
from tests.drivers import TokenDriver
from tests.inspection.inspected import inspected
from tests.verifiers.reporting import reported
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn

PATH = "/console"
EVERYTHING = [
    f"issuer:{name}:read" for name in ("audiences", "roles", "clients", "users", "keys", "audit")
]


@pytest.fixture
def reader(signed_in: SignedIn) -> Browser:
    return signed_in(*EVERYTHING)


def test_a_new_issuer_is_well(reader: Browser):
    page = reader.get(PATH)
    assert "This server can issue tokens. ok" in page.text
    assert "ES256 keys The active key signs until 25 Dec 2026" in page.text
    assert "Nothing needs attention." in page.text
    assert "Needs attention" not in page.text
    assert 'style="' not in page.response.text


def test_what_is_wrong_is_said(deployment: Deployment, reader: Browser):
    deployment.services.audit.checkpoints.make()
    with deployment.services.database.changing() as session:
        session.execute(update(AuditEventRow).values(seq=-AuditEventRow.seq))
    text = reader.get(PATH).text
    missing = "Events are missing that a checkpoint covers. Run issuer audit verify."
    assert f"Needs attention Audit log {missing}" in text
    assert "Nothing needs attention." not in text


def test_checkpoints_and_keys_are_judged_as_by_the_status(deployment: Deployment, reader: Browser):
    services = deployment.services
    services.audit.checkpoints.make()
    deployment.role("runner", [])
    deployment.wait(2 * services.settings.audit_checkpoint_every + timedelta(minutes=1))
    now = deployment.clock()
    with services.administration.changing(OPERATOR) as work:
        work.keys.revoke(next(key for key in work.keys.all() if key.activates_at > now).kid)
    services.keys.keyring.reload()
    found = [
        each for each in server_status(services.running([])).attention if each.subject != "jobs"
    ]
    assert [each.subject for each in found] == ["keys", "audit"]
    text = reader.get(PATH).text
    for each in found:
        assert f"{each.problem} {each.remedy}" in text


def test_an_agentos_that_answers_everybody_comes_first(deployment: Deployment, signed_in: SignedIn):
    deployment.services.audit.checkpoints.make()
    deployment.wait(timedelta(days=400))  # the key should have been rotated
    inspected(deployment, exposed=["no-verification", "open-websocket"], agents={"web": "Web"})
    reader = signed_in("issuer:audiences:read", "issuer:keys:read", username="reader-2")
    page = reader.get(PATH)
    said = "my-os The AgentOS verifies no tokens: everybody may call it. The WebSocket runs"
    assert f"Needs attention {said}" in page.text
    assert "issuer audience inspect my-os says what to change" not in page.text
    assert "1 agent" in page.text
    assert "/console/audiences/my-os#inspection" in page.response.text
    assert "verifies no tokens" not in signed_in("issuer:users:read", username="u").get(PATH).text


def test_verifiers_and_use_are_for_those_who_may_read_them(
    deployment: Deployment, reader: Browser, signed_in: SignedIn
):
    reported(deployment, ["old"])
    inspected(deployment)
    card = reader.get(PATH).text.split("AgentOS")[1]
    assert "Used not reported" in card
    assert "Verifiers" not in card
    verifiers = signed_in("issuer:audiences:read", "issuer:verifiers:read", username="v")
    card = verifiers.get(PATH).text.split("AgentOS")[1]
    assert "Verifiers 1 live" in card
    assert "Used" not in card


def test_a_role_that_names_an_agent_that_is_gone_is_something_to_look_at(
    deployment: Deployment, reader: Browser, signed_in: SignedIn
):
    deployment.role("runner", ["agents:web:run", "agents:mail:run"])
    deployment.client("ci-bot", ["runner"])
    inspected(deployment, agents={"web": "Web"})
    said = "runner The last inspection did not find what agents:mail:run is for."
    assert said in reader.get(PATH).text
    assert said not in signed_in("issuer:roles:read", username="other").get(PATH).text


def test_secrets_that_expire_soon_or_are_unused_are_listed(
    deployment: Deployment, signed_in: SignedIn, token_endpoint: TokenDriver
):
    """Within a week, as `issuer status` and `issuer doctor` judge it."""
    idle, busy = deployment.client("idle"), deployment.client("busy")
    for _ in range(4):
        deployment.wait(timedelta(days=25))
        token_endpoint.client_credentials(busy)
        deployment.services.tokens.last_use.write()
    expires_at = (deployment.clock() + timedelta(days=7, hours=1)).isoformat()
    deployment.secret(idle, expires_at=expires_at)
    assert "expires" not in signed_in("issuer:clients:read", username="first").get(PATH).text
    deployment.wait(timedelta(hours=2))
    text = signed_in("issuer:clients:read").get(PATH).text
    assert "idle A secret expires in 7 days." in text
    assert "idle A secret was never used, and was made 3 months ago." in text
    assert "busy" not in text
    deployment.wait(timedelta(days=7))
    assert "expires" not in signed_in("issuer:clients:read", username="other").get(PATH).text


def test_roles_with_odd_scopes_are_listed(deployment: Deployment, reader: Browser):
    deployment.role("fine", ["agents:run", "agents:read", "invoices:approve"])
    deployment.role("odd", ["agent:run", "agents:raed"])
    text = reader.get(PATH).text
    assert "odd No known AgentOS version has agent:run; did you mean agents:run?" in text
    assert "fine" not in text.split("Latest changes")[0].split("Needs attention")[1]


def test_users_whose_sign_in_is_locked_are_listed(deployment: Deployment, reader: Browser):
    guard, elsewhere = deployment.services.sign_in.guard, Actor(address="203.0.113.9")
    mallory = deployment.user("mallory")
    for attempt in [guard.begin(mallory, "mallory", elsewhere.address) for _ in range(10)]:
        guard.end(attempt, elsewhere, succeeded=False)
    text = reader.get(PATH).text
    assert "mallory Sign-in is locked after wrong passwords; the lock ends in 15 minutes." in text
    deployment.wait(timedelta(minutes=15))
    assert "Sign-in is locked" not in reader.get(PATH).text


def test_tokens_issued_and_refused_are_shown_as_chart_and_as_table(
    deployment: Deployment, reader: Browser, token_endpoint: TokenDriver
):
    assert "No token was issued or refused." in reader.get(PATH).text
    client = deployment.client("ci-bot")
    token_endpoint.client_credentials(client)
    deployment.wait(timedelta(hours=2))
    for _ in range(2):
        token_endpoint.client_credentials(client)
    token_endpoint.client_credentials(Credentials("ci-bot", "wrong"))
    deployment.wait(timedelta(minutes=2))
    deployment.services.audit.token_counts.count()
    page = reader.get(PATH)
    assert "Tokens: last 24 hours" in page.text
    assert "No token was" not in page.text
    assert "3 issued, 1 refused" in page.text
    assert "2026-11-25 12:00 UTC 1 0" in page.text
    assert "2026-11-25 14:00 UTC 2 1" in page.text
    week = reader.get(PATH, tokens="7d")
    assert "Tokens: last 7 days" in week.text
    assert "2026-11-25 00:00 UTC 3 1" in week.text
    assert 'height="120" fill="var(--accent)"' not in page.response.text  # 2 of 3
    assert 'height="80" fill="var(--accent)"' in page.response.text
    (bar,) = re.findall(r'<a href="([^"]*)" aria-label="1 refused from', page.response.text)
    refused = reader.get(unescape(bar))
    assert "was refused a token as ci-bot" in refused.text
    assert "got a token" not in refused.text


def test_the_first_steps_are_shown_until_they_are_done(deployment: Deployment, signed_in: SignedIn):
    admin = signed_in("issuer:admin")
    text = admin.get(PATH).text
    assert "First steps Add your AgentOS as an audience done" in text
    assert "Make a role that says what may be run to do" in text
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot")
    text = admin.get(PATH).text
    assert "Make a role that says what may be run done Add a service done" in text
    assert "Connect the AgentOS with the verifier to do" in text
    reported(deployment, [])
    assert "First steps" not in admin.get(PATH).text


def test_the_number_of_each_kind_leads_to_its_list(deployment: Deployment, signed_in: SignedIn):
    deployment.client("ci-bot")
    page = signed_in("issuer:clients:read").get(PATH)
    assert '<a href="/console/clients"><strong>2</strong> clients</a>' in page.response.text
    assert "users" not in page.text


def test_the_latest_changes_are_listed(deployment: Deployment, reader: Browser):
    deployment.role("newest", [])
    changes = reader.get(PATH).text.split("Latest changes")[1]
    assert "done test:operator created the role newest" in changes


def test_each_part_needs_the_scope_to_read_it(deployment: Deployment, signed_in: SignedIn):
    deployment.role("odd", ["agents:raed"])
    deployment.client("idle")
    deployment.wait(timedelta(days=91))
    text = signed_in("issuer:audiences:read").get(PATH).text
    assert "This server can issue tokens." in text
    for hidden in ("ES256", "Audit log", "Latest changes", "Tokens:", "odd", "idle", "First"):
        assert hidden not in text


def test_somebody_without_scopes_of_the_issuer_is_refused(browser: Browser, alice: str):
    browser.sign_in()
    page = browser.get(PATH)
    assert page.status == httpx.codes.FORBIDDEN
    assert "The console is for administrators You are signed in as alice, who has no" in page.text
    assert "Your account page shows" in page.text
    assert 'href="/account"' in page.response.text
    assert "switch=1" in page.response.text
    assert "scope" not in page.text
