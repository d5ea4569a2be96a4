"""Roles and scopes that end, in the console."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import AssignmentRow
from issuer.roles import Assignment
from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.web.browsing import Browser
from tests.web.console.conftest import forged
from tests.web.console.test_explain import explained

PAGE, CLIENT, GROUP = "/console/users/alice", "/console/clients/ci", "/console/groups/night"
END = "2026-11-25T20:00:00Z"
EIGHT_HOURS = timedelta(hours=8)


@pytest.fixture(autouse=True)
def alice(deployment: Deployment) -> None:
    deployment.role("runner", ["agents:run"])
    deployment.user("alice", id="alice")


def ends(deployment: Deployment, principal_id: str) -> list[datetime | None]:
    with deployment.services.administration.reading() as work:
        return [each.expires_at for each in work.assignments.of(principal_id)]


def test_a_role_is_assigned_for_some_hours_after_a_question(admin: Browser, deployment: Deployment):
    typed = {"do": "assign-role", "role": "runner", "audience": "my-os", "expires_at": "8h"}
    typed["reason"] = "Ticket 4711"
    asked = forged(deployment, admin, PAGE, **typed)
    assert "Assign runner to alice, at my-os, until 2026-11-25 20:00 UTC?" in asked.text
    assert "--reason 'Ticket 4711'" in asked.text
    deployment.clock.move(timedelta(minutes=5))
    shown = admin.follow(admin.submit(asked, PAGE)).text
    assert "is assigned to alice, at my-os, until 2026-11-25 20:00 UTC." in shown
    assert "ends in 8 hours" in shown
    assert ends(deployment, "alice") == [datetime.fromisoformat(END)]
    assert events(deployment, "role.assigned")[-1].details["reason"] == "Ticket 4711"


def test_the_question_says_how_an_end_moves(admin: Browser, deployment: Deployment):
    typed = {"do": "assign-role", "role": "runner", "everywhere": "yes"}
    forged(deployment, admin, PAGE, **typed, expires_at="2026-12-01", confirmed="yes")
    asked = forged(deployment, admin, PAGE, **typed)
    assert "Change when runner of alice ends, everywhere?" in asked.text
    assert "It ends at 2026-12-01 00:00 UTC now. After the change it lasts." in asked.text
    admin.submit(asked, PAGE)
    assert ends(deployment, "alice") == [None]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ({"expires_at": "tomorrow"}, "must be like 2026-11-01"),
        ({"expires_at": "2026-11-25T11:00:00Z"}, "is in the past"),
        ({"reason": "x" * 501}, "at most 500"),
    ],
)
def test_what_is_wrong_is_an_error_at_the_field(
    admin: Browser, deployment: Deployment, typed: dict[str, str], message: str
):
    refused = forged(
        deployment, admin, PAGE, do="assign-role", role="runner", everywhere="yes", **typed
    )
    assert message in refused.text
    field = "reason" if "reason" in typed else "until"
    assert f'id="{field}-error"' in refused.response.text
    assert ends(deployment, "alice") == []


def test_unassigning_what_ends_says_what_members_lose(admin: Browser, deployment: Deployment):
    deployment.group("Night", ["alice"], id="night")
    with deployment.changing() as work:
        end = deployment.clock() + EIGHT_HOURS
        work.assignments.assign("night", Assignment(role="runner", expires_at=end))
    asked = forged(deployment, admin, GROUP, do="unassign-role", role="runner", everywhere="yes")
    assert "alice loses agents:run at" in asked.text


def test_the_page_of_a_client_shows_when_its_scopes_end_and_saving_it_keeps_the_ends(
    admin: Browser, deployment: Deployment
):
    scopes = ["agents:read", "agents:run"]
    deployment.client("ci", scopes=scopes, scopes_expire_at={"agents:run": END})
    assert "directly, ends in 8 hours" in admin.get(CLIENT).text
    form = admin.get(CLIENT, edit="yes").form(CLIENT).fields
    off = {"password", "refresh_token", "authorization_code", "first_party", "may_set_session"}
    kept = {name: value for name, value in form.items() if name not in off}
    chosen = {"token_endpoint_auth_method": "client_secret_basic", "user_rights": "own"}
    typed = {**kept, **chosen, "audiences": "my-os", "do": "save"}
    admin.post(CLIENT, {**typed, "scopes": "agents:read\nagents:run", "name": "CI"})

    def client() -> tuple[str, dict[str, datetime]]:
        with deployment.services.administration.reading() as work:
            found = work.clients.get("ci")
        return found.name, found.scopes_expire_at

    assert client() == ("CI", {"agents:run": datetime.fromisoformat(END)})
    version = admin.get(CLIENT, edit="yes").form(CLIENT).fields["version"]
    typed |= {"scopes": "agents:read", "version": version, "confirmed": "yes"}
    admin.post(CLIENT, typed)
    assert client()[1] == {}


def test_explain_says_until_when(admin: Browser, deployment: Deployment):
    with deployment.changing() as work:
        end = deployment.clock() + EIGHT_HOURS
        work.assignments.assign("alice", Assignment(role="runner", expires_at=end))
    assert "agents:run everywhere, ends in 8 hours" in explained(admin, "alice").text


def test_the_overview_tells_what_ends_soon(admin: Browser, deployment: Deployment):
    """But not of what was given for some hours a moment ago, which nobody has forgotten."""
    day, end = timedelta(days=1), deployment.clock() + timedelta(days=5)
    with deployment.changing() as work:
        work.assignments.assign("alice", Assignment(role="runner", expires_at=end))
    ends = {"agents:read": end.isoformat()}
    deployment.client("ci", scopes=["agents:read"], scopes_expire_at=ends)
    shown = admin.get("/console").text
    assert "Its scope agents:read ends in 5 days." in shown
    assert "The role runner" not in shown
    with deployment.services.database.transaction() as session:
        for row in session.scalars(select(AssignmentRow)):
            row.given_at = deployment.clock() - day
    assert "alice The role runner everywhere ends in 5 days." in admin.get("/console").text
