"""`/audiences/{id}/inspection`."""

from collections.abc import Callable, Iterator

import pytest

from tests.builders import URL, Deployment
from tests.drivers import AdminApi, problem
from tests.escalation import WRITE
from tests.inspection.fake_agentos import FakeAgentOS, inspectable, two_inspecting

PATH = "/audiences/my-os/inspection"


@pytest.fixture
def agent_os(deployment: Deployment) -> Iterator[FakeAgentOS]:
    with inspectable(deployment) as agent_os:
        yield agent_os


def test_an_agentos_is_inspected_and_the_result_is_read_again(
    admin: AdminApi, agent_os: FakeAgentOS
):
    agent_os.open.add("/sessions")
    assert problem(admin.get(PATH)) == (404, "not-found")
    made = admin("POST", PATH)
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"{URL}/admin/v1{PATH}"
    found = made.json()
    assert found["components"] == {
        "agno_version": "3.1.10",
        "agents": [{"id": "web", "name": "Web"}, {"id": "billing", "name": "Billing"}],
        "teams": [{"id": "support", "name": "support"}],
        "workflows": [],
        "interfaces": ["a2a", "agui", "mcp"],
    }
    (exposure,) = found["findings"]
    assert exposure.keys() == {"rule", "severity", "evidence", "remedy"}
    assert (exposure["rule"], exposure["severity"]) == ("open-route", "high")
    read = admin.get(PATH)
    assert read.json() == found
    assert read.headers["etag"] == made.headers["etag"]
    cached = admin.get(PATH, headers={"If-None-Match": read.headers["etag"]})
    assert cached.status_code == 304


def test_reading_and_inspecting_need_the_scopes_of_audiences(
    holder_of: Callable[..., AdminApi], agent_os: FakeAgentOS
):
    reader, writer = holder_of("issuer:audiences:read"), holder_of("issuer:audiences:write")
    other = holder_of("issuer:clients:write")
    assert problem(reader("POST", PATH)) == (403, "forbidden")
    assert problem(other("POST", PATH)) == (403, "forbidden")
    assert agent_os.requests == []
    assert writer("POST", PATH).status_code == 201
    assert reader.get(PATH).status_code == 200
    assert problem(other.get(PATH)) == (403, "forbidden")


def test_only_an_admin_sets_where_tokens_are_sent(holder_of: Callable[..., AdminApi]):
    writer, admin = holder_of("issuer:audiences:write"), holder_of("issuer:admin")
    url = {"url": "https://os.example/"}
    assert problem(writer.patch("/audiences/my-os", **url)) == (403, "forbidden")
    assert problem(writer.post("/audiences", id="other", **url)) == (403, "forbidden")
    assert admin.patch("/audiences/my-os", **url).json()["url"] == "https://os.example"
    assert writer.patch("/audiences/my-os", name="Mine").json()["url"] == "https://os.example"
    resources = {"resources": ["https://other.example/mcp"]}
    assert problem(writer.patch("/audiences/my-os", **resources)) == (403, "forbidden")
    assert problem(writer.post("/audiences", id="other", **resources)) == (403, "forbidden")
    manifest = {"version": 1, "audiences": [{"id": "my-os", "url": "https://other.example"}]}
    assert writer.post("/manifest/apply", **manifest).status_code in {403, 422}
    assert admin.get("/audiences/my-os").json()["url"] == "https://os.example"
    manifest = {"audiences": [{"id": "my-os", **resources}]}
    assert problem(holder_of(*WRITE).post("/manifest/apply", **manifest)) == (403, "forbidden")


def test_without_a_url_or_an_agentos_nothing_is_inspected(admin: AdminApi):
    refused = admin("POST", PATH)
    assert problem(refused) == (409, "not-allowed")
    assert "no URL" in refused.json()["detail"]
    assert problem(admin("POST", "/audiences/unknown/inspection")) == (404, "not-found")
    own = URL.replace("/", "%2F")
    assert problem(admin("POST", f"/audiences/{own}/inspection")) == (409, "not-allowed")
    admin.patch("/audiences/my-os", url="http://127.0.0.1:1")
    refused = admin("POST", PATH)
    assert problem(refused) == (409, "not-allowed")
    assert "does not answer" in refused.json()["detail"]


def test_a_third_inspection_at_a_time_is_told_when_to_try_again(
    deployment: Deployment, admin: AdminApi, agent_os: FakeAgentOS
):
    with two_inspecting(deployment, agent_os):
        refused = admin("POST", PATH)
    assert problem(refused) == (429, "too-many-requests")
    assert refused.headers["retry-after"] == "45"


def test_an_audience_whose_id_is_a_url_is_inspected(
    deployment: Deployment, admin: AdminApi, agent_os: FakeAgentOS
):
    deployment.audience("https://a.example/os", url=agent_os.url)
    for spelled in ("https://a.example/os", "https%3A%2F%2Fa.example%2Fos"):
        found = admin("POST", f"/audiences/{spelled}/inspection").json()
        assert found["audience"] == "https://a.example/os"


def test_an_audience_whose_id_ends_like_the_path_is_read_and_inspected(
    deployment: Deployment, admin: AdminApi, agent_os: FakeAgentOS
):
    """`/` of the id is encoded; one that is not ends the id."""
    deployment.audience("https://x.example")
    deployment.audience("https://x.example/inspection", url=agent_os.url)
    whole = "https%3A%2F%2Fx.example%2Finspection"
    assert admin.get(f"/audiences/{whole}").json()["id"] == "https://x.example/inspection"
    assert problem(admin.get("/audiences/https://x.example/inspection")) == (404, "not-found")
    made = admin("POST", f"/audiences/{whole}/inspection")
    assert made.headers["location"].endswith(f"/audiences/{whole}/inspection")
    found = made.json()
    assert found["audience"] == "https://x.example/inspection"
    assert admin.get(f"/audiences/{whole}/inspection").json() == found
    assert problem(admin.get("/audiences/https://x.example/inspection")) == (404, "not-found")
    assert admin.delete(f"/audiences/{whole}").status_code == 204
