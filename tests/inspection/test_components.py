"""What an AgentOS consists of, and which roles name something that is no longer there."""

import pytest

from issuer.database.tables import InspectionRow
from issuer.inspection.components import component_of, names_of
from issuer.roles import Assignment
from tests.builders import Deployment
from tests.inspection.inspected import inspected


def gone(deployment: Deployment, *roles: str) -> dict[str, list[str]]:
    with deployment.changing() as work:
        return work.inspections.scopes_not_found([work.roles.get(each) for each in roles])


def assign(deployment: Deployment, role: str, audience: str | None) -> None:
    client = deployment.client().client_id
    with deployment.changing() as work:
        work.assignments.assign(client, Assignment(role=role, audience=audience))


def test_components_are_listed_by_name(deployment: Deployment):
    inspected(deployment, agents={"b": "alpha", "a": "Beta"}, teams={"t": "Team"})
    with deployment.changing() as work:
        found = work.inspections.components_of("my-os")
        assert work.inspections.components_of("other-os") is None
    assert found is not None
    assert [each.name for each in found.agents] == ["alpha", "Beta"]
    assert found.of("teams") == found.teams
    assert found.of("sessions") == ()


def test_a_name_is_the_id_where_there_is_none_and_cannot_reorder_words(deployment: Deployment):
    inspected(deployment, agents={"a": "", "b": "x\u202ey", "c": "n" * 500})
    with deployment.changing() as work:
        found = work.inspections.components_of("my-os")
    assert found is not None
    names = names_of([found])
    assert names["agents", "a"] == "a"
    assert names["agents", "b"] == "x\\u202ey"
    assert len(names["agents", "c"]) <= 101


def test_of_those_inspected_the_newest_are_kept_and_the_audiences_ordered(deployment: Deployment):
    for audience in ("os-b", "os-a", "os-c"):
        deployment.audience(audience)
        inspected(deployment, audience)
        deployment.clock.move(deployment.services.settings.access_token_ttl)
    with deployment.changing() as work:
        found = work.inspections.newest_components(2)
    assert [each.audience_id for each in found] == ["os-a", "os-c"]


@pytest.mark.parametrize(
    ("scope", "named"),
    [
        ("agents:web:run", ("agents", "web")),
        ("teams:a:read", ("teams", "a")),
        ("agents:run", None),
        ("agents:*:run", None),
        ("sessions:web:read", None),
        ("issuer:roles:read", None),
        ("agent_os:admin", None),
        ("a:b:c:d", None),
    ],
)
def test_which_scopes_name_a_component(scope: str, named: tuple[str, str] | None):
    assert component_of(scope) == named


def test_a_role_names_what_is_no_longer_where_it_is_assigned(deployment: Deployment):
    deployment.audience("other-os")
    deployment.role("runner", ["agents:web:run", "agents:mail:run", "agents:run", "sessions:read"])
    assign(deployment, "runner", "my-os")
    inspected(deployment, agents={"web": "Web"})
    inspected(deployment, "other-os", agents={"mail": "Mail"})
    assert gone(deployment, "runner") == {"runner": ["agents:mail:run"]}
    assign(deployment, "runner", "other-os")
    assert gone(deployment, "runner") == {}


def test_nothing_is_said_of_an_agent_os_that_was_not_inspected(deployment: Deployment):
    deployment.role("runner", ["agents:mail:run"])
    assert gone(deployment, "runner") == {}
    deployment.audience("other-os")
    inspected(deployment, agents={"web": "Web"})
    assert gone(deployment, "runner") == {}
    assign(deployment, "runner", "other-os")
    assert gone(deployment, "runner") == {}


def test_a_role_that_is_assigned_everywhere_or_nowhere_may_be_for_every_agent_os(
    deployment: Deployment,
):
    deployment.audience("other-os")
    inspected(deployment, agents={"web": "Web"})
    inspected(deployment, "other-os", agents={"mail": "Mail"})
    for name in ("unassigned", "everywhere"):
        deployment.role(name, ["agents:web:run", "agents:mail:run", "agents:gone:run"])
    assign(deployment, "everywhere", None)
    deployment.role("other", ["sessions:read"])
    assert gone(deployment, "unassigned", "everywhere", "other") == {
        "unassigned": ["agents:gone:run"],
        "everywhere": ["agents:gone:run"],
    }


def test_what_was_inspected_goes_with_its_audience(deployment: Deployment):
    deployment.audience("other-os")
    inspected(deployment, "other-os", agents={"web": "Web"})
    with deployment.changing() as work:
        work.audiences.delete("other-os")
    with deployment.services.database.reading() as session:
        assert session.get(InspectionRow, "other-os") is None
