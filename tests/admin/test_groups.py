"""Members and roles of groups, and what the admin API says of them (`/admin/v1/groups`)."""

import pytest

from tests.builders import URL, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.rows import rows


@pytest.fixture
def platform(deployment: Deployment) -> str:
    """The path of a group of alice, bob and carol, who may run the agent Web."""
    deployment.role("web-runner", ["agents:web:run"])
    users = [deployment.user(name, id=name) for name in ("carol", "bob", "alice")]
    deployment.group("Platform", users, id="platform")
    return "/groups/platform"


def test_members_are_put_deleted_and_listed_page_by_page(admin: AdminApi, platform: str):
    first = admin.get(f"{platform}/members?limit=2").json()
    assert first["items"] == [{"user_id": name, "username": name} for name in ("alice", "bob")]
    rest = admin.get(f"{platform}/members?limit=2&cursor={first['next_cursor']}").json()
    assert ([each["user_id"] for each in rest["items"]], rest["next_cursor"]) == (["carol"], None)
    before = admin.get(platform).headers["etag"]
    path = f"{platform}/members/bob"
    assert admin.delete(path).status_code == 204
    assert admin.get(platform).headers["etag"] != before
    assert problem(admin.delete(path)) == (404, "not-found")
    assert admin.put(path, headers={"If-Match": "*"}).status_code == 412
    assert [admin.put(path).status_code for _ in range(2)] == [204, 204]
    assert admin.put(path, headers={"If-Match": "*"}).status_code == 204
    assert problem(admin.delete(path, headers={"If-Match": '"other"'})) == (
        412,
        "precondition-failed",
    )


@rows(
    "path",
    [
        "/groups/none/members/alice",
        "/groups/platform/members/none",
        "/groups/platform/members/%00",
    ],
)
def test_an_unknown_group_or_user_is_404(admin: AdminApi, deployment: Deployment, path: str):
    if not admin.get("/groups/platform").is_success:
        deployment.group("Platform", id="platform")
        deployment.user("alice", id="alice")
    assert problem(admin.put(path)) == (404, "not-found")
    assert problem(admin.delete(path)) == (404, "not-found")


def test_a_name_that_is_taken_is_409(admin: AdminApi, platform: str):
    assert problem(admin.post("/groups", name="PLATFORM")) == (409, "already-exists")
    admin.post("/groups", id="other", name="Other")
    assert problem(admin.patch("/groups/other", name="platform")) == (409, "already-exists")


def test_roles_of_a_user_say_through_which_group_they_come(admin: AdminApi, platform: str):
    assert admin.put(f"{platform}/roles/web-runner?audience=my-os").status_code == 204
    assert admin.put("/users/alice/roles/web-runner?everywhere=true").status_code == 204
    via = {"name": "Platform", "group_id": "platform", "issuer_id": None}
    everywhere = {"role": "web-runner", "audience": None, "expires_at": None, "via": None}
    through = {"role": "web-runner", "audience": "my-os", "expires_at": None, "via": via}
    assert admin.get("/users/alice/roles").json()["items"] == [everywhere, through]
    assert admin.get(f"{platform}/roles").json()["items"] == [{**through, "via": None}]
    first = admin.get("/users/alice/roles?limit=1").json()
    rest = admin.get(f"/users/alice/roles?limit=1&cursor={first['next_cursor']}").json()
    assert [*first["items"], *rest["items"]] == [everywhere, through]
    # What a group gives is taken away where it was given.
    refused = admin.delete("/users/bob/roles/web-runner?audience=my-os")
    assert problem(refused) == (404, "not-found")


def test_explain_and_preview_name_the_group(admin: AdminApi, deployment: Deployment, platform: str):
    """A role that two groups give is once in the token, and has two sources."""
    admin.patch("/audiences/my-os", include_roles=True)
    deployment.group("Others", ["alice"], ["web-runner"], id="others")
    admin.put(f"{platform}/roles/web-runner?audience=my-os")
    deployment.client("app", grant_types=["password"], scopes=["agents:run"])
    question = {"method": "POST", "path": "/agents/web/runs"}
    subject = {"user_id": "alice", "client_id": "app", "audience": "my-os"}
    explained = admin.post("/explain", **subject, **question).json()
    assert explained["allowed"]
    through = [each["through"] for each in explained["via"] if each["holder"] == "alice"]
    assert sorted(through, key=lambda each: each["name"]) == [
        {"name": "Others", "group_id": "others", "issuer_id": None},
        {"name": "Platform", "group_id": "platform", "issuer_id": None},
    ]
    claims = admin.post("/preview", **subject).json()["claims"]
    assert claims["roles"] == ["web-runner"]
    assert claims["scopes"] == ["agents:web:run"]


def test_a_role_in_use_by_a_group_is_409_and_names_it(admin: AdminApi, platform: str):
    admin.put(f"{platform}/roles/web-runner?everywhere=true")
    refused = admin.delete("/roles/web-runner")
    assert problem(refused) == (409, "in-use")
    assert refused.json()["used_by"] == ["group Platform"]


@rows("method", ["PUT", "DELETE"])
def test_groups_need_scopes_of_their_own(
    deployment: Deployment, token_endpoint: TokenDriver, method: str
):
    """Also those who may write users: a group is none."""
    with deployment.services.administration.reading() as work:
        is_there = work.groups.exists("platform")
    if not is_there:
        deployment.user("alice", id="alice")
        deployment.group("Platform", ["alice"], id="platform")
    reader = deployment.client(scopes=["issuer:groups:read", "issuer:users:write"], audiences=[URL])
    api = AdminApi(deployment.http, token_endpoint.client_credentials(reader).token)
    assert api.get("/groups/platform/members").status_code == 200
    assert problem(api(method, "/groups/platform/members/alice")) == (403, "forbidden")
