"""`GET /admin/v1/review`: findings and proposals over HTTP."""

from collections.abc import Callable

import pytest

from tests.builders import Deployment
from tests.drivers import AdminApi, problem
from tests.usage.reporting import used_daily

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
READS = [f"issuer:{each}:read" for each in ("audiences", "roles", "clients", "users")]


@pytest.fixture(autouse=True)
def ci(deployment: Deployment) -> str:
    """A client that has run one agent for a month."""
    client = deployment.client("ci", scopes=["agents:run", "sessions:read"])
    used_daily(deployment, {("ci", "agents:web:run"): (1, 0)})
    return client.client_id


def test_the_findings_and_what_is_known(holder_of: Callable[..., AdminApi]):
    found = holder_of(*READS).get("/review").json()
    assert found["coverage"][0]["is_known"]
    unused = [each["scope"] for each in found["findings"] if each["kind"] == "unused"]
    assert unused == ["sessions:read"]


def test_a_proposal_has_a_manifest_that_can_be_planned(admin: AdminApi, ci: str):
    proposal = admin.get(f"/review/{ci}").json()
    assert proposal["enough"] == {"my-os": ["agents:web:run"]}
    plan = admin.post("/manifest/plan", **proposal["manifest"])
    assert plan.status_code == 200, plan.text
    assert plan.json()["change_count"] == proposal["change_count"]


def test_it_needs_the_right_to_read_what_it_shows(holder_of: Callable[..., AdminApi]):
    for lacking in READS:
        other = holder_of(*(each for each in READS if each != lacking))
        assert problem(other.get("/review")) == (403, "forbidden")
        assert problem(other.get("/review/ci")) == (403, "forbidden")


@pytest.mark.parametrize("period", ["0d", "91d", "90m", "x", ""])
def test_a_period_is_whole_days_for_which_usage_is_kept(admin: AdminApi, period: str):
    answer = admin.get("/review", params={"unused_for": period})
    assert problem(answer) == (422, "invalid-fields")


def test_an_unknown_name_is_not_found(admin: AdminApi):
    assert problem(admin.get("/review/nobody")) == (404, "not-found")
