"""The roles of a client, user or group say who gave them, when, why and until when."""

from datetime import timedelta

from issuer.audit import Actor
from issuer.roles import Assignment
from tests.builders import Deployment
from tests.web.console.conftest import SignedIn
from tests.web.console.screens import REVIEWED

AUDIT = "issuer:audit:read"


def test_a_role_says_who_gave_it_when_why_and_until_when(
    deployment: Deployment, signed_in: SignedIn
):
    for name in ("runner", "reader"):
        deployment.role(name, ["agents:run"])
    boss = deployment.user("boss", password=None)
    client, user = deployment.client("ci").client_id, deployment.user("alice", password=None)
    end = deployment.clock() + timedelta(days=9)
    with deployment.services.administration.changing(Actor(boss, is_local=True)) as work:
        for principal in (client, user):
            role = Assignment(role="runner", audience="my-os", expires_at=end)
            work.assignments.assign(principal, role, "Ticket 4711")
    group = deployment.group("Night", roles=["reader"])
    deployment.clock.move(timedelta(days=2))
    with deployment.services.administration.changing(Actor(boss, is_local=True)) as work:
        work.groups.add_members(group, [user])
    browser = signed_in(*REVIEWED, "issuer:groups:read", AUDIT)
    deployment.clock.move(timedelta(minutes=5))
    given = "runner my-os , ends in 7 days 2 days ago by boss : Ticket 4711"
    assert given in browser.get(f"/console/clients/{client}").text
    page = browser.get(f"/console/users/{user}")
    assert given in page.text
    assert "reader Everywhere, through the group Night 5 minutes ago by boss" in page.text
    assert "reader Everywhere 2 days ago" in browser.get(f"/console/groups/{group}").text


def test_who_may_not_read_the_audit_log_sees_only_when(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:run"])
    user = deployment.user("alice", password=None)
    with deployment.changing() as work:
        work.assignments.assign(user, Assignment(role="runner"), "Ticket 4711")
    page = signed_in(*REVIEWED).get(f"/console/users/{user}")
    assert "runner Everywhere just now" in page.text
    assert "4711" not in page.text
    assert "just now by" not in page.text


def test_a_new_end_has_a_reason_of_its_own(deployment: Deployment, signed_in: SignedIn):
    deployment.role("runner", ["agents:run"])
    user = deployment.user("alice", password=None)
    for days, reason in ((3, "Ticket 4711"), (5, "")):
        end = deployment.clock() + timedelta(days=days)
        with deployment.changing() as work:
            work.assignments.assign(user, Assignment(role="runner", expires_at=end), reason)
    page = signed_in(*REVIEWED, AUDIT).get(f"/console/users/{user}")
    assert "Everywhere, ends in 5 days just now by" in page.text
