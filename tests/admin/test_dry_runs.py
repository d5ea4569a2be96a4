"""Dry runs: everything is checked as for the change, and nothing is stored."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from issuer.database.tables import Base
from tests.builders import Deployment
from tests.drivers import AdminApi, problem

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])
DRY = {"dry_run": "true"}


@pytest.fixture
def role(admin: AdminApi) -> dict[str, Any]:
    admin.post("/roles", name="runner", description="old", scopes=["agents:run"])
    return stored(admin)


def stored(admin: AdminApi) -> dict[str, Any]:
    return admin.get("/roles/runner").json()


def events(admin: AdminApi) -> list[str]:
    return [
        each["id"] for each in admin.get("/audit-events", params={"limit": 500}).json()["items"]
    ]


def test_a_dry_run_answers_as_the_change_and_stores_nothing(admin: AdminApi, role: dict[str, Any]):
    before, audited = admin.get("/roles/runner"), events(admin)
    answer = admin("PATCH", "/roles/runner", params=DRY, json={"description": "new"})
    assert (answer.status_code, answer.json()["description"]) == (200, "new")
    assert answer.headers["ETag"] == before.headers["ETag"]
    assert admin.delete("/roles/runner", params=DRY).status_code == 200
    assert stored(admin) == role
    assert events(admin) == audited


# What a running server writes by itself.
OF_THE_SERVER = {"audit_checkpoints", "key_set_promise", "token_counts", "token_counts_progress"}
LAST_USE = {"last_used_at", "last_used_address"}


def everything(deployment: Deployment) -> dict[str, list[str]]:
    """All rows of all tables: also audit events, the revocation feed and the change counter."""
    with deployment.services.database.reading() as session:
        return {
            table.name: sorted(
                str({name: value for name, value in row.items() if name not in LAST_USE})
                for row in session.execute(select(table)).mappings()
            )
            for table in Base.metadata.sorted_tables
            if table.name not in OF_THE_SERVER
        }


def test_a_dry_run_writes_nothing_at_all(admin: AdminApi, deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    at = {"audience": "my-os"}
    for id_ in ("ci", "unused"):
        admin.post("/clients", client_id=id_, audiences=["my-os"])
    secret = admin.post("/clients/ci/rotation").json()["id"]
    admin.put("/clients/ci/roles/runner", params=at)
    alice, bob = (admin.post("/users", username=name).json()["id"] for name in ("alice", "bob"))
    admin.post(f"/users/{alice}/invitation")
    team = admin.post("/groups", name="team").json()["id"]
    admin.put(f"/groups/{team}/members/{alice}")
    admin.put(f"/groups/{team}/roles/runner", params=at)
    requests = [
        ("PATCH", "/roles/runner", {}, {"scopes": []}),
        ("PATCH", "/clients/ci", {}, {"disabled": True}),
        ("PATCH", f"/users/{alice}", {}, {"disabled": True, "email": "alice@example.com"}),
        ("DELETE", "/roles/runner", {"cascade": "true"}, None),
        ("DELETE", "/audiences/my-os", {"cascade": "true"}, None),
        ("DELETE", "/clients/unused", {}, None),
        ("DELETE", f"/users/{alice}", {}, None),
        ("DELETE", f"/groups/{team}", {}, None),
        ("PUT", f"/users/{alice}/roles/runner", at, {"expires_at": "2099-01-01T00:00:00Z"}),
        ("PUT", "/clients/ci/roles/runner", {"everywhere": "true"}, None),
        ("DELETE", "/clients/ci/roles/runner", at, None),
        ("DELETE", f"/groups/{team}/roles/runner", at, None),
        ("DELETE", f"/clients/ci/secrets/{secret}", {"and_its_tokens": "true"}, None),
        ("DELETE", "/clients/ci/rotation", {}, None),
        ("POST", "/clients/ci/rotation/finish", {}, None),
        ("POST", "/clients/ci/revoke-tokens", {}, None),
        ("POST", f"/users/{alice}/revoke-tokens", {}, None),
        ("POST", f"/users/{alice}/unlock", {}, None),
        ("DELETE", f"/users/{alice}/factors", {}, None),
        ("DELETE", f"/users/{alice}/invitation", {}, None),
        ("PUT", f"/groups/{team}/members/{bob}", {}, None),
        ("DELETE", f"/groups/{team}/members/{alice}", {}, None),
    ]
    before = everything(deployment)
    for method, path, params, body in requests:
        sent = {} if body is None else {"json": body}
        answer = admin(method, path, params={**params, **DRY}, **sent)
        assert (answer.status_code, answer.headers.get("Dry-Run")) == (200, "true"), (path, answer)
        assert everything(deployment) == before, path
    assert "Dry-Run" not in admin.delete("/clients/unused").headers


def test_a_dry_run_names_users_only_to_those_who_may_read_them(
    admin: AdminApi, deployment: Deployment, holder_of: Callable[..., AdminApi]
):
    deployment.role("runner", ["agents:run"])
    alice = admin.post("/users", username="alice").json()["id"]
    admin.put(f"/users/{alice}/roles/runner", params={"audience": "my-os"})
    cascading = {**DRY, "cascade": "true"}
    asked = admin.delete("/roles/runner", params=cascading).json()["question"]["what"]
    assert asked == "This would delete the role runner, in use by user alice."
    blind = holder_of("issuer:roles:write").delete("/roles/runner", params=cascading).json()
    assert blind["question"]["what"] == f"This would delete the role runner, in use by {alice}."


def test_a_dry_run_of_what_answers_nothing_says_what_people_are_asked(
    admin: AdminApi, role: dict[str, Any]
):
    question = admin.delete("/roles/runner", params=DRY).json()["question"]
    assert question["what"] == "This would delete the role runner with 1 scope."
    user = admin.post("/users", username="alice").json()["id"]
    asked = admin("POST", f"/users/{user}/revoke-tokens", params=DRY).json()["question"]
    assert asked["what"] == "Sign alice out everywhere?"
    assert admin("POST", f"/users/{user}/unlock", params=DRY).json() == {"question": None}


def test_a_change_by_the_etag_of_a_dry_run_is_refused_if_something_else_would_be_asked(
    admin: AdminApi, deployment: Deployment, role: dict[str, Any]
):
    tag = admin.delete("/roles/runner", params=DRY).headers["ETag"]
    admin.patch("/roles/runner", scopes=["agents:run", "teams:run"])
    refused = admin.delete("/roles/runner", headers={"If-Match": tag})
    assert problem(refused) == (412, "precondition-failed")
    tag = admin.delete("/roles/runner", params=DRY).headers["ETag"]
    assert admin.delete("/roles/runner", headers={"If-Match": tag}).status_code == 204


def test_what_uses_a_resource_is_part_of_the_question(
    admin: AdminApi, deployment: Deployment, role: dict[str, Any]
):
    cascading = {**DRY, "cascade": "true"}
    first, second = (deployment.client(audiences=["my-os"]).client_id for _ in range(2))
    assign = {"params": {"audience": "my-os"}}
    admin.put(f"/clients/{first}/roles/runner", **assign)
    assert problem(admin.delete("/roles/runner", params=DRY)) == (409, "in-use")
    tag = admin.delete("/roles/runner", params=cascading).headers["ETag"]
    admin.put(f"/clients/{second}/roles/runner", **assign)
    refused = admin.delete("/roles/runner", params={"cascade": "true"}, headers={"If-Match": tag})
    assert problem(refused) == (412, "precondition-failed")


def test_the_etag_of_a_dry_run_counts_nowhere_else(admin: AdminApi, role: dict[str, Any]):
    tag = admin.delete("/roles/runner", params=DRY).headers["ETag"]
    refused = admin.patch("/roles/runner", if_match=tag, description="new")
    assert problem(refused) == (412, "precondition-failed")


def test_a_dry_run_needs_the_rights_of_the_change(
    admin: AdminApi, role: dict[str, Any], holder_of: Callable[..., AdminApi]
):
    reader = holder_of("issuer:roles:read")
    assert problem(reader.delete("/roles/runner", params=DRY)) == (403, "forbidden")
    writer = holder_of("issuer:roles:write")
    admin.post("/roles", name="privileged", scopes=["issuer:admin"])
    refused = writer.delete("/roles/privileged", params=DRY)
    assert problem(refused) == (403, "forbidden")


def test_operations_without_a_dry_run_refuse_it(admin: AdminApi, role: dict[str, Any]):
    refused = admin("POST", "/roles", params=DRY, json={"name": "other"})
    assert problem(refused) == (422, "invalid-fields")
    assert admin.get("/roles/other").status_code == 404


def test_a_list_is_searched_in_order_of_name(admin: AdminApi):
    for name, id_ in (("carol", "a"), ("alice", "b"), ("bob", "c"), ("alicia", "d")):
        admin.post("/users", username=name, id=id_)

    def search(text: str, **more: object) -> dict[str, Any]:
        return admin.get("/users", params={"search": text, **more}).json()

    assert [each["username"] for each in search("ali")["items"]] == ["alice", "alicia"]
    page = search("", limit=3)
    assert [each["username"] for each in page["items"]] == ["alice", "alicia", "bob"]
    more = search("", cursor=page["next_cursor"])
    assert [each["username"] for each in more["items"]] == ["carol"]
    of_another = admin.get("/users", params={"search": "x", "cursor": page["next_cursor"]})
    assert problem(of_another) == (400, "invalid-cursor")


def test_the_problem_names_what_is_missing(admin: AdminApi):
    assert admin.get("/roles/nobody").json()["missing"] == {"kind": "role", "name": "nobody"}
    refused = admin.post("/clients", client_id="ci", audiences=["no-os"])
    assert refused.json()["missing"] == {"kind": "audience", "name": "no-os"}
