"""Every resource of `/admin/v1`: its responses and refusals (docs/reference/endpoints.md)."""

import base64
from datetime import timedelta
from typing import Any

import pytest

from tests.builders import URL, Deployment
from tests.captured_logs import capture_logs
from tests.drivers import AdminApi, TokenDriver, problem
from tests.rows import rows
from tests.users.hashing import CountedHashes

NEW: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    # collection: (name of the new one, its members, a change)
    "audiences": ("other-os", {"id": "other-os"}, {"name": "Other"}),
    "roles": ("runner", {"name": "runner", "scopes": ["agents:read"]}, {"scopes": ["teams:read"]}),
    "clients": ("ci-bot", {"client_id": "ci-bot", "audiences": ["my-os"]}, {"disabled": True}),
    "users": ("u-1", {"id": "u-1", "username": "alice"}, {"email": "alice@example.com"}),
    "groups": ("g-1", {"id": "g-1", "name": "Platform"}, {"external_id": "42"}),
}
COLLECTIONS = rows("collection", [*NEW])


def create(admin: AdminApi, collection: str) -> tuple[str, str]:
    """The path and the ETag of a new resource."""
    name, members, _ = NEW[collection]
    created = admin.post(f"/{collection}", **members)
    assert created.status_code == 201
    return f"/{collection}/{name}", created.headers["etag"]


def ensured(admin: AdminApi, collection: str) -> tuple[str, str]:
    """The path and the ETag of the resource, which rows of a table share."""
    path = f"/{collection}/{NEW[collection][0]}"
    there = admin.get(path)
    return (path, there.headers["etag"]) if there.is_success else create(admin, collection)


@COLLECTIONS
def test_a_new_resource_is_returned_and_found_at_its_location(admin: AdminApi, collection: str):
    name, members, _ = NEW[collection]
    created = admin.post(f"/{collection}", **members)
    assert created.status_code == 201
    assert created.headers["location"] == f"{URL}/admin/v1/{collection}/{name}"
    assert members.items() <= created.json().items()
    read = admin.get(f"/{collection}/{name}")
    assert (read.status_code, read.headers["etag"]) == (200, created.headers["etag"])
    shown = {k: v for k, v in created.json().items() if k != "client_secret"}
    assert read.json() == shown
    assert "version" not in shown


@COLLECTIONS
def test_creating_an_existing_resource_is_409(admin: AdminApi, collection: str):
    create(admin, collection)
    again = admin.post(f"/{collection}", **NEW[collection][1])
    assert problem(again) == (409, "already-exists")


@COLLECTIONS
def test_a_patch_returns_the_changed_resource(admin: AdminApi, collection: str):
    path, etag = create(admin, collection)
    change = NEW[collection][2]
    changed = admin.patch(path, **change)
    assert changed.status_code == 200
    assert change.items() <= changed.json().items()
    assert changed.headers["etag"] != etag
    assert admin.get(path).json() == changed.json()


@COLLECTIONS
def test_if_match_prevents_a_lost_update(admin: AdminApi, collection: str):
    """RFC 9110 §13.1.1: strong comparison; `*` matches any existing resource."""
    path, first = create(admin, collection)
    change = NEW[collection][2]
    assert admin.patch(path, if_match=first, **change).status_code == 200
    for stale in (first, f"W/{first}", '"other"', "garbage", '"other", *'):
        assert problem(admin.patch(path, if_match=stale, **change)) == (412, "precondition-failed")
        refused = admin.delete(path, headers={"If-Match": stale})
        assert problem(refused) == (412, "precondition-failed")
    current = admin.get(path).headers["etag"]
    listed = admin.patch(path, if_match=f'"other", {current}', **change)
    assert listed.status_code == 200
    assert admin.delete(path, headers={"If-Match": "*"}).status_code == 204


@COLLECTIONS
def test_a_resource_created_again_after_deletion_has_another_etag(
    admin: AdminApi, deployment: Deployment, collection: str
):
    path, etag = create(admin, collection)
    deleted = admin.delete(path)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert problem(admin.get(path)) == (404, "not-found")
    assert problem(admin.delete(path)) == (404, "not-found")
    deployment.wait(timedelta(seconds=1))
    assert create(admin, collection)[1] != etag


@COLLECTIONS
@rows("name", ["unknown", "%00", "a%00b", "%F0%9F%92%A9", "..%2F..", "x" * 300])
def test_an_unknown_resource_is_404(admin: AdminApi, collection: str, name: str):
    for answer in (admin.get(f"/{collection}/{name}"), admin.delete(f"/{collection}/{name}")):
        assert problem(answer) == (404, "not-found")


@COLLECTIONS
def test_all_invalid_members_are_named_at_once(admin: AdminApi, collection: str):
    wrong = {**NEW[collection][1], "colour": "red", "size": 1}
    answer = admin.post(f"/{collection}", **wrong)
    assert problem(answer) == (422, "invalid-fields")
    assert {each["field"] for each in answer.json()["errors"]} == {"colour", "size"}


@COLLECTIONS
@rows(
    "patch",
    [{"colour": 1}, {"colour": None}, {"created_at": "2026-01-01T00:00:00Z"}, {"created_at": None}],
)
def test_a_patch_cannot_set_read_only_members(
    admin: AdminApi, collection: str, patch: dict[str, Any]
):
    path, etag = ensured(admin, collection)
    assert problem(admin.patch(path, **patch)) == (422, "invalid-fields")
    assert admin.get(path).headers["etag"] == etag


@COLLECTIONS
def test_a_patch_names_all_unknown_members(admin: AdminApi, collection: str):
    path, _ = create(admin, collection)
    refused = admin.patch(path, colour="red", created_at=None, size=1)
    assert problem(refused) == (422, "invalid-fields")
    assert [each["field"] for each in refused.json()["errors"]] == ["colour", "created_at", "size"]


@rows(("method", "path"), [("POST", "/roles"), ("PATCH", "/clients/ci-bot")])
def test_a_problem_lists_a_hundred_errors_and_the_number_of_further_ones(
    admin: AdminApi, method: str, path: str
):
    ensured(admin, "clients")
    members = {"name": "a", **{f"{number:05}" * 40: 1 for number in range(4_000)}}
    refused = admin(method, path, json=members)
    assert problem(refused) == (422, "invalid-fields")
    assert (len(refused.json()["errors"]), refused.json()["more_errors"]) == (100, 3_900)
    assert len(refused.content) < 50_000


def test_a_body_of_too_many_values_is_refused_before_it_is_parsed(admin: AdminApi):
    """Parsed values take a hundred times as much memory as the body."""
    many = b"{" + b",".join(b'"%d":0' % number for number in range(100_000)) + b"}"
    for content in (many, b"[" * 20_000):
        refused = admin(
            "POST", "/roles", content=content, headers={"Content-Type": "application/json"}
        )
        assert problem(refused) == (413, "body-too-large")


@COLLECTIONS
def test_a_patch_cannot_remove_or_change_the_name(admin: AdminApi, collection: str):
    path, _ = create(admin, collection)
    (key, *_) = NEW[collection][1]
    for value in (None, "other"):
        assert problem(admin.patch(path, **{key: value})) == (422, "invalid-fields")


@COLLECTIONS
def test_pages_list_each_item_once(admin: AdminApi, deployment: Deployment, collection: str):
    create(admin, collection)
    for number in range(6):
        name, members, _ = NEW[collection]
        key = next(iter(members))
        unique = {
            "users": {"username": f"user-{number}"},
            "groups": {"name": f"Group {number}"},
        }.get(collection, {})
        admin.post(f"/{collection}", **{**members, key: f"{name}-{number}", **unique})
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = admin.get(f"/{collection}?limit=3" + (f"&cursor={cursor}" if cursor else "")).json()
        assert len(page["items"]) <= 3
        seen += [item[next(iter(NEW[collection][1]))] for item in page["items"]]
        cursor = page["next_cursor"]
    everything = admin.get(f"/{collection}?limit=500").json()
    assert everything["next_cursor"] is None
    assert len(seen) == len(set(seen)) == len(everything["items"]) >= 7


@COLLECTIONS
@rows("cursor", ["garbage", "é", "bm9ib2R5", "AAAA"])
def test_a_cursor_of_another_list_is_refused(admin: AdminApi, collection: str, cursor: str):
    answer = admin.get(f"/{collection}", params={"cursor": cursor})
    assert problem(answer) == (400, "invalid-cursor")


@rows("key", ["", "x", "²", "-1", "1" * 30])
def test_an_invented_cursor_of_the_audit_log_is_refused(admin: AdminApi, key: str):
    cursor = base64.urlsafe_b64encode(f"audit-events\n{key}".encode()).decode()
    answer = admin.get("/audit-events", params={"cursor": cursor})
    assert problem(answer) == (400, "invalid-cursor")


@COLLECTIONS
@rows("limit", ["0", "501", "-1", "x", "1.5"])
def test_a_limit_is_1_to_500(admin: AdminApi, collection: str, limit: str):
    assert problem(admin.get(f"/{collection}?limit={limit}")) == (422, "invalid-fields")


def test_an_audience_whose_id_is_a_url_can_be_read_and_changed(admin: AdminApi):
    created = admin.post("/audiences", id="https://os.example/a/b")
    path = created.headers["location"].removeprefix(f"{URL}/admin/v1")
    assert path == "/audiences/https%3A%2F%2Fos.example%2Fa%2Fb"
    assert admin.get(path).json()["id"] == "https://os.example/a/b"
    assert admin.delete(path).status_code == 204


@rows(
    ("body", "media_type", "answer"),
    [
        (b"{", "application/json", (400, "malformed-request")),
        (b"\xff", "application/json", (400, "malformed-request")),
        (b"[]", "application/json", (422, "invalid-fields")),
        (b"null", "application/json", (422, "invalid-fields")),
        (b'{"name":"a"}', "text/plain", (415, "unsupported-media-type")),
        (b'{"name":"a"}', "application/x-www-form-urlencoded", (415, "unsupported-media-type")),
        (b'{"name":"\\ud800"}', "application/json", (422, "invalid-fields")),
        (b'{"\\ud800":1,"name":"a"}', "application/json", (422, "invalid-fields")),
        (b'{"name":"a","scopes":[NaN]}', "application/json", (400, "malformed-request")),
        (b'{"name":"a","name":"b"}', "application/json", (400, "malformed-request")),
        ('{"name":"a"}'.encode("utf-16"), "application/json", (400, "malformed-request")),
        (b'{"name":"a","description":"\\u0000"}', "application/json", (422, "invalid-fields")),
    ],
)
def test_an_invalid_body_is_one_problem(
    admin: AdminApi, body: bytes, media_type: str, answer: tuple[int, str]
):
    refused = admin("POST", "/roles", content=body, headers={"Content-Type": media_type})
    assert problem(refused) == answer


def test_a_repeated_member_is_refused_at_any_depth_and_named(admin: AdminApi):
    """RFC 7493 §2.3: a proxy that checked the request may have read the other value."""
    body = b'{"client_id":"a","claims":{"team":{"id":1,"id":2}}}'
    refused = admin("POST", "/clients", content=body, headers={"Content-Type": "application/json"})
    assert problem(refused) == (400, "malformed-request")
    assert "'id'" in refused.json()["detail"]
    assert admin.get("/clients/a").status_code == 404


def test_a_body_over_1_mib_is_413(admin: AdminApi):
    large = b'{"name":"a","description":"' + b"x" * 1024 * 1024 + b'"}'
    for content in (large, iter([large[:700_000], large[700_000:]])):
        answer = admin(
            "POST", "/roles", content=content, headers={"Content-Type": "application/json"}
        )
        assert problem(answer) == (413, "body-too-large")


def test_deleting_a_role_in_use_is_409_and_names_its_users(admin: AdminApi):
    create(admin, "roles"), create(admin, "clients"), create(admin, "users")
    assert admin.put("/clients/ci-bot/roles/runner?audience=my-os").status_code == 204
    assert admin.put("/users/u-1/roles/runner?everywhere=true").status_code == 204
    refused = admin.delete("/roles/runner")
    assert problem(refused) == (409, "in-use")
    assert refused.json()["used_by"] == ["ci-bot", "u-1"]
    assert admin.delete("/roles/runner?cascade=true").status_code == 204
    assert admin.get("/users/u-1/roles").json()["items"] == []


def test_putting_an_assignment_is_idempotent_and_deleting_it_is_not(admin: AdminApi):
    create(admin, "roles"), create(admin, "clients")
    path = "/clients/ci-bot/roles/runner?audience=my-os"
    for tag in ("*", '"any"'):  # RFC 9110 §13.1.1
        refused = admin.put(path, headers={"If-Match": tag})
        assert problem(refused) == (412, "precondition-failed")
        assert admin.delete(path, headers={"If-Match": tag}).status_code == 404  # §13.2.1
    assert [admin.put(path).status_code for _ in range(2)] == [204, 204]
    assert admin.get("/clients/ci-bot/roles").json()["items"] == [
        {"role": "runner", "audience": "my-os", "expires_at": None, "via": None}
    ]
    assert problem(admin.delete("/clients/ci-bot/roles/runner?everywhere=true")) == (
        404,
        "not-found",
    )
    assert admin.delete(path).status_code == 204
    assert problem(admin.delete(path)) == (404, "not-found")


@rows(
    "path",
    [
        "/clients/unknown/roles/runner?everywhere=true",
        "/clients/ci-bot/roles/none?everywhere=true",
        "/clients/ci-bot/roles/runner?audience=nowhere",
        "/clients/ci-bot/roles/runner?audience=%00",
        "/clients/ci-bot/roles/%00?everywhere=true",
        "/users/ci-bot/roles/runner?everywhere=true",
    ],
)
def test_an_unknown_role_audience_or_principal_cannot_be_assigned(admin: AdminApi, path: str):
    ensured(admin, "roles"), ensured(admin, "clients")
    assert problem(admin.put(path)) == (404, "not-found")


def test_secrets_are_shown_once_and_deleted_one_by_one(
    admin: AdminApi, token_endpoint: TokenDriver
):
    first = admin.post("/clients", client_id="ci-bot", audiences=["my-os"]).json()["client_secret"]
    made = admin.post("/clients/ci-bot/secrets", label="new", expires_at="2030-01-01T00:00:00Z")
    second = made.json()["client_secret"]
    listed = admin.get("/clients/ci-bot/secrets")
    assert made.status_code == 201
    assert first not in listed.text
    assert second not in listed.text
    assert {each["label"] for each in listed.json()["items"]} == {"", "new"}
    assert listed.json()["items"][0].keys() == {
        "id",
        "label",
        "created_at",
        "expires_at",
        "last_used_at",
        "last_used_address",
    }
    path = made.headers["location"].removeprefix(f"{URL}/admin/v1")
    assert admin.get(path).json()["label"] == "new"
    assert admin.delete(path).status_code == 204
    form = {"grant_type": "client_credentials"}
    assert token_endpoint.post(data=form, auth=("ci-bot", second)).error == "invalid_client"
    assert token_endpoint.post(data=form, auth=("ci-bot", first)).status == 200


def test_a_password_can_be_set_and_is_never_shown(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    create(admin, "users")
    app = deployment.client(grant_types=["password"])
    weak = admin.put("/users/u-1/password", json={"password": "short"})
    assert problem(weak) == (422, "invalid-fields")
    assert "short" not in weak.text
    fine = admin.put("/users/u-1/password", json={"password": "a password of hers"})
    assert fine.status_code == 204
    assert token_endpoint.password(app, "alice", "a password of hers").status == 200
    assert "password" not in admin.get("/users/u-1").text


def test_a_locked_user_can_be_unlocked(
    admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    create(admin, "users")
    admin.put("/users/u-1/password", json={"password": "a password of hers"})
    app = deployment.client(grant_types=["password"])
    for _ in range(10):
        deployment.services.sign_in.guard.begin("u-1", "alice", "192.0.2.1")
    assert token_endpoint.password(app, "alice", "a password of hers").error == "invalid_grant"
    assert admin("POST", "/users/u-1/unlock").status_code == 204
    assert token_endpoint.password(app, "alice", "a password of hers").status == 200
    events = admin.get("/audit-events", params={"action": "user.unlocked"}).json()["items"]
    assert [(event["target"], event["actor"]) for event in events] == [("u-1", "issuer-admin")]
    assert problem(admin("POST", "/users/unknown/unlock")) == (404, "not-found")


def test_a_common_password_is_refused_and_not_repeated_in_the_problem(admin: AdminApi):
    create(admin, "users")
    refused = admin.put("/users/u-1/password", json={"password": "Qwerty123456"})
    assert problem(refused) == (422, "invalid-fields")
    assert "is too common" in refused.text
    assert "qwerty" not in refused.text.lower()


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "1/minute"}])
def test_a_password_is_hashed_only_where_it_may_be_set_and_within_limits(
    deployment: Deployment, admin: AdminApi
):
    create(admin, "users")
    hashes = CountedHashes(deployment)
    good = {"password": "a password of hers"}
    stale = {"If-Match": '"another"'}
    assert problem(admin.put("/users/u-1/password", json={"password": "alice"}))[0] == 422
    assert problem(admin.put("/users/unknown/password", json=good))[0] == 404
    assert problem(admin.put("/users/u-1/password", json=good, headers=stale))[0] == 412
    assert hashes.number == 0
    assert admin.put("/users/u-1/password", json=good).status_code == 204
    deployment.clock.now = deployment.clock.now.replace(second=1)
    refused = admin.put("/users/u-1/password", json=good)
    assert problem(refused) == (429, "too-many-requests")
    assert (int(refused.headers["retry-after"]), hashes.number) == (59, 1)


def test_keys_are_listed_with_their_states_and_no_private_part(admin: AdminApi):
    keys = admin.get("/keys").json()["items"]
    assert [key["state"] for key in keys] == ["announced", "active"]
    assert all("d" not in key["public_jwk"] for key in keys)


def test_the_audit_log_can_be_paged_and_filtered(admin: AdminApi, deployment: Deployment):
    create(admin, "roles"), admin.patch("/roles/runner", scopes=[])
    found = admin.get("/audit-events", params={"target": "runner"}).json()["items"]
    assert [event["action"] for event in found] == ["role.updated", "role.created"]
    assert {event["actor"] for event in found} == {deployment.admin.client_id}
    page = admin.get("/audit-events?limit=1").json()
    rest = admin.get(f"/audit-events?limit=500&cursor={page['next_cursor']}").json()
    ids = [event["id"] for event in page["items"] + rest["items"]]
    assert ids == sorted(ids, reverse=True)
    for since, expected in (("2020-01-01T00:00:00Z", 2), ("2030-01-01T00:00:00Z", 0)):
        filtered = admin.get("/audit-events", params={"target": "runner", "since": since})
        assert len(filtered.json()["items"]) == expected
    for outcome, expected in (("done", 2), ("refused", 0)):
        filtered = admin.get("/audit-events", params={"target": "runner", "outcome": outcome})
        assert len(filtered.json()["items"]) == expected
    assert problem(admin.get("/audit-events?outcome=lost")) == (422, "invalid-fields")
    assert problem(admin.get("/audit-events?since=yesterday")) == (422, "invalid-fields")
    assert problem(admin.get("/audit-events?actor=%00")) == (422, "invalid-fields")


def test_audit_events_are_found_by_user_name_and_by_address(
    admin: AdminApi, deployment: Deployment
):
    user = deployment.user("Bob")
    deployment.role("bob", [])
    assert user != "Bob"
    found = admin.get("/audit-events", params={"target": "bob"}).json()["items"]
    assert {(event["action"], event["target"]) for event in found} == {
        ("role.created", "bob"),
        ("user.password_set", user),
        ("user.created", user),
    }
    by_id = admin.get("/audit-events", params={"target": user}).json()["items"]
    assert [event["action"] for event in by_id] == ["user.password_set", "user.created"]
    admin.post("/roles", name="over-http")
    here = admin.get("/audit-events", params={"address": "testclient", "action": "role.created"})
    assert [event["target"] for event in here.json()["items"]] == ["over-http"]
    assert admin.get("/audit-events?address=192.0.2.1").json()["items"] == []


@COLLECTIONS
def test_an_unchanged_representation_is_304(admin: AdminApi, collection: str):
    """RFC 9110 §13.1.2: weak comparison; also for a list."""
    path, _ = create(admin, collection)
    for method, url in (("GET", path), ("HEAD", path), ("GET", f"/{collection}")):
        etag = admin.get(url).headers["etag"]
        for known in (etag, f"W/{etag}", "*", f'"other", {etag}'):
            answer = admin(method, url, headers={"If-None-Match": known})
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
        assert admin(method, url, headers={"If-None-Match": '"other"'}).status_code == 200
    admin.patch(path, **NEW[collection][2])
    assert admin.get(path, headers={"If-None-Match": etag}).status_code == 200


@rows("path", ["/keys", "/clients/ci-bot/secrets", "/scopes"])
def test_short_lists_are_paged_too(admin: AdminApi, path: str):
    ensured(admin, "clients"), admin.post("/clients/ci-bot/secrets")
    everything = admin.get(f"{path}?limit=500").json()["items"]
    seen, cursor = [], ""
    while cursor is not None:
        page = admin.get(f"{path}?limit=1" + (f"&cursor={cursor}" if cursor else "")).json()
        seen += page["items"]
        cursor = page["next_cursor"]
    assert seen == everything
    assert problem(admin.get(f"{path}?limit=501")) == (422, "invalid-fields")
    for cursor in ("garbage", base64.urlsafe_b64encode(b"keys\nnone").decode()):
        assert problem(admin.get(f"{path}?cursor={cursor}")) == (400, "invalid-cursor")


@rows("query", ["colour=red", "limit=1&limit=2", "Limit=1"])
def test_an_unknown_or_repeated_query_parameter_is_refused(admin: AdminApi, query: str):
    """A misspelled filter would list everything."""
    for path in ("/roles", "/keys", "/audit-events"):
        refused = admin.get(f"{path}?{query}")
        assert problem(refused) == (422, "invalid-fields")
        assert refused.json()["errors"][0]["field"] == query.partition("=")[0]


@rows("query", ["", "?everywhere=false", "?audience=my-os&everywhere=true"])
def test_an_assignment_needs_an_audience_or_everywhere(admin: AdminApi, query: str):
    ensured(admin, "roles"), ensured(admin, "clients")
    for method in ("PUT", "DELETE"):
        refused = admin(method, f"/clients/ci-bot/roles/runner{query}")
        assert problem(refused) == (422, "invalid-fields")
    assert admin.put("/clients/ci-bot/roles/runner?everywhere=true").status_code == 204
    assert admin.get("/clients/ci-bot/roles").json()["items"] == [
        {"role": "runner", "audience": None, "expires_at": None, "via": None}
    ]


def test_likely_mistakes_in_scopes_are_warnings_in_the_response(admin: AdminApi):
    odd = "No known AgentOS version has agent:execute, which is fine if it is for your own"
    for path, name in (("/roles", "name"), ("/clients", "client_id")):
        created = admin.post(path, **{name: "a", "scopes": ["agent:execute"]})
        (warning,) = created.json()["warnings"]
        assert warning.startswith(odd)
        changed = admin.patch(f"{path}/a", scopes=["agent:execute"])
        assert changed.json()["warnings"] == [warning]
        assert changed.headers["etag"] == admin.get(f"{path}/a").headers["etag"]
        assert "warnings" not in admin.patch(f"{path}/a", scopes=["agents:read"]).json()


def test_a_misspelled_scope_is_refused_unless_it_is_allowed(admin: AdminApi):
    allowing = "?allow_unknown_scopes=true"
    for path, name in (("/roles", "name"), ("/clients", "client_id")):
        misspelled = {name: "a", "scopes": ["agent:run"]}
        refused = admin.post(path, **misspelled)
        assert problem(refused) == (422, "invalid-fields")
        assert (
            "scopes: No known AgentOS version has agent:run; did you mean agents:run?"
            in (refused.json()["detail"])
        )
        assert admin.post(path, **{name: "a", "scopes": ["agents:read"]}).status_code == 201
        assert problem(admin.patch(f"{path}/a", scopes=["agent:run"])) == (422, "invalid-fields")
        assert admin.get(f"{path}/a").json()["scopes"] == ["agents:read"]
        changed = admin.patch(f"{path}/a{allowing}", scopes=["agent:run"])
        assert changed.json()["scopes"] == ["agent:run"]
        kept = admin.patch(f"{path}/a", scopes=["agent:run", "teams:run"])
        assert kept.status_code == 200
        created = admin.post(f"{path}{allowing}", **{**misspelled, name: "b"})
        assert created.status_code == 201
    assert problem(admin.post(f"/audiences{allowing}", id="o")) == (422, "invalid-fields")


@COLLECTIONS
def test_head_is_get_without_content(admin: AdminApi, collection: str):
    """RFC 9110 §9.3.2."""
    path, etag = create(admin, collection)
    head, got = admin("HEAD", path), admin.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["etag"] == etag
    assert head.headers["content-length"] == got.headers["content-length"]
    assert admin("HEAD", f"/{collection}/unknown").status_code == 404


@rows(
    ("path", "allowed"),
    [
        ("/roles", "GET, HEAD, POST"),
        ("/roles/runner", "DELETE, GET, HEAD, PATCH"),
        ("/audiences/https%3A%2F%2Fos.example", "DELETE, GET, HEAD, PATCH"),
        ("/clients/https%3A%2F%2Fapp.example%2Fa%2Fsecrets", "DELETE, GET, HEAD, PATCH"),
        ("/users/alice/roles/runner", "DELETE, PUT"),
        ("/groups/platform/members/alice", "DELETE, PUT"),
    ],
)
def test_a_405_names_every_method_of_the_resource(admin: AdminApi, path: str, allowed: str):
    """RFC 9110 §15.5.6."""
    answer = admin("OPTIONS", path)
    assert problem(answer) == (405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


def test_a_response_with_a_secret_is_not_cacheable(admin: AdminApi):
    for path in ("/clients", "/clients/ci-bot/secrets", "/clients/ci-bot/rotation"):
        shown = admin.post(path, **({"client_id": "ci-bot"} if path == "/clients" else {}))
        assert "client_secret" in shown.json()
        assert shown.headers["cache-control"] == "no-store"
    applied = admin("POST", "/manifest/apply", json={"clients": [{"client_id": "other"}]})
    assert applied.headers["cache-control"] == "no-store"


def test_an_unknown_path_and_method_are_problems_too(admin: AdminApi):
    assert problem(admin.get("/nothing")) == (404, "not-found")
    assert problem(admin.put("/roles")) == (405, "method-not-allowed")


def test_a_404_outside_the_admin_api_is_not_logged_as_its_refusal(admin: AdminApi):
    with capture_logs() as logged:
        assert admin.http.get("/favicon.ico").status_code == 404
    assert "admin_refused" not in [line["event"] for line in logged]
    with capture_logs() as logged:
        assert admin.get("/roles/unknown").status_code == 404
    assert "admin_refused" in [line["event"] for line in logged]


def test_an_unexpected_error_is_a_problem_without_its_cause(
    admin: AdminApi, deployment: Deployment
):
    deployment.client("ci-bot")
    deployment.break_keys()
    answer = admin.post("/preview", client_id="ci-bot")
    assert problem(answer) == (500, "server-error")
    assert answer.json()["detail"] == "Unexpected error. The server log has the cause."


def test_a_duration_is_accepted_with_or_without_a_unit_and_returned_in_seconds(admin: AdminApi):
    for ttl in (900, "900s", "15m"):
        created = admin.post("/audiences", id=f"os-{ttl}", access_token_ttl=ttl)
        assert created.json()["access_token_ttl"] == 900
    for wrong in ("15", "15 minutes", "1e3s", "-15m", 1.5, True):
        refused = admin.post("/audiences", id="new", access_token_ttl=wrong)
        assert problem(refused) == (422, "invalid-fields")
