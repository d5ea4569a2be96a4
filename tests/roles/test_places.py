"""Where roles are assigned."""

from datetime import UTC, datetime

import pytest

from issuer.roles import Assignment
from issuer.roles.operations import AssignmentName, UnassignmentDetails, assign_command
from issuer.users import USER
from issuer.users.operations import USER_ROLES
from tests.builders import Deployment


@pytest.fixture
def places(deployment: Deployment) -> Deployment:
    """`everywhere` and `some` have holders; `none` has none. Each place has two holders."""
    for role in ("everywhere", "none", "some"):
        deployment.role(role, ["agents:run"])
    for audience in ("os-a", "os-b", "os-c"):
        deployment.audience(audience)
    for _ in range(2):
        client = deployment.client().client_id
        with deployment.changing() as work:
            for audience in ("os-b", "os-c", "os-a"):
                work.assignments.assign(client, Assignment(role="some", audience=audience))
            work.assignments.assign(client, Assignment(role="everywhere", audience=None))
            work.assignments.assign(client, Assignment(role="everywhere", audience="os-b"))
    return deployment


def found(deployment: Deployment, names: list[str], limit: int = 10) -> set[tuple[str, str | None]]:
    with deployment.changing() as work:
        rows = work.assignments.audiences_of_roles(names, limit)
    assert len(rows) == len(set(rows))
    return set(rows)


def test_each_place_is_there_once(places: Deployment):
    assert found(places, ["everywhere", "none", "some", "unknown"]) == {
        ("everywhere", None),
        ("everywhere", "os-b"),
        ("some", "os-a"),
        ("some", "os-b"),
        ("some", "os-c"),
    }
    assert found(places, ["none"]) == set()
    assert found(places, []) == set()


def test_no_more_than_asked_for_are_found(places: Deployment):
    assert len(found(places, ["some"], limit=2)) == 2


def test_a_command_and_its_request_name_the_place_and_say_the_rest():
    end = datetime(2027, 6, 30, tzinfo=UTC)
    command = assign_command(
        USER, "alice", Assignment(role="some", audience="os-a", expires_at=end)
    )
    assert str(command) == (
        "issuer user role assign alice some --audience os-a --expires-at 2027-06-30T00:00:00Z"
    )
    path = ("users", "alice", "roles", "some")
    assert (command.method, command.path, command.query) == ("PUT", path, {"audience": "os-a"})
    assert command.body == {"expires_at": "2027-06-30T00:00:00Z"}
    name, why = AssignmentName(role="some", everywhere=True), UnassignmentDetails(reason="a b")
    command = USER_ROLES.unassign.command("alice", name, fields=why)
    assert str(command) == "issuer user role unassign alice some --everywhere --reason 'a b'"
    query = {"everywhere": "true", "reason": "a b"}
    assert (command.method, command.path, command.query) == ("DELETE", path, query)
    assert command.body is None
