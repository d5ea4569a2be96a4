"""Rights that have ended, while they are not deleted: the clock of this machine counts as wrong."""

import json
from datetime import timedelta

import pytest

from issuer.roles import Assignment
from tests.builders import Deployment
from tests.web.browsing import Browser
from tests.web.console.conftest import person

HOUR = timedelta(hours=1)


@pytest.fixture
def boss(deployment: Deployment) -> Browser:
    """Of `runner`: alice and the group night, of bob, had it until an hour ago; carol has it."""
    boss = person(deployment, "boss", ["issuer:admin"])
    for role in ("runner", "sweeper"):
        deployment.role(role, ["agents:run"])
    alice, bob, carol = (deployment.user(each, id=each) for each in ("alice", "bob", "carol"))
    night = deployment.group("night", [bob], id="night")
    with deployment.changing() as work:
        for holder, hours in ((alice, 1), (night, 1), (carol, 3)):
            end = deployment.clock.now + hours * HOUR
            for role, audience in (("runner", "my-os"), ("sweeper", None)):
                if holder != carol or role == "runner":
                    right = Assignment(role=role, audience=audience, expires_at=end)
                    work.assignments.assign(holder, right)
    deployment.clock.move(2 * HOUR)
    deployment.clock.ahead = HOUR
    return boss


def test_no_list_names_who_had_a_role(boss: Browser):
    users = boss.get("/console/users").text
    assert users.count("runner") == 1, users  # beside carol
    role = boss.get("/console/roles/runner").text
    assert "carol" in role
    assert "alice" not in role
    assert "night" not in role
    matrix = boss.get("/console/audiences/my-os").text
    assert "carol" in matrix
    assert "alice" not in matrix
    assert "bob" not in matrix


def test_no_number_counts_who_had_a_role(boss: Browser):
    exported = boss.get("/console/roles", export="jsonl").response.text
    held_by = {each["name"]: each["held_by"] for each in map(json.loads, exported.splitlines())}
    assert held_by["runner"] == 1
    assert held_by["sweeper"] == 0
    at_audience = boss.get("/console/audiences/my-os").text
    assert "1 client, user or group has a role at it" in at_audience
    review = boss.get("/console/review").text
    assert "Roles that nobody holds" in review
    assert "sweeper" in review


def test_a_role_that_has_ended_for_all_is_deleted_as_one_that_nobody_has(
    boss: Browser, deployment: Deployment
):
    deployment.clock.ahead = timedelta()
    with deployment.changing() as work:
        work.roles.delete("sweeper")  # not in use, so no cascade is needed
        assert not work.roles.exists("sweeper")
