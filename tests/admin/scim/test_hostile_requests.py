"""Whatever comes, the answer is an error document, and nothing is changed or held up."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.admin.scim.driver import GROUP, MEDIA_TYPE, PATCH, USER, Scim, refused, scim_of
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.rows import rows

NAMES = ["userName", "emails", "members", "active", "name", "schemas", "id", "meta", "externalId"]
NAMES += ["Operations", "op", "path", "value", "groups", "displayName", "$ref", "type", "primary"]
PATHS = ["", "/", "..", "../../Users", "userName", "emails", "members", "members[", "name.x.y"]
PATHS += ['members[value eq "x"]', "emails[type eq 1].value", "meta.version", "id", "schemas"]
PATHS += ['emails[not (type eq "a")]', "urn:x:y:z", f"{USER}:userName", USER, "password", "\x00"]
values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=5),
        st.sampled_from([*PATHS, "add", "Replace", "remove", USER, GROUP, PATCH]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=10,
)
operations = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "replace", "remove", "Add", "move", None, 1])},
    optional={"path": st.one_of(st.sampled_from(PATHS), values), "value": values},
)
patches = st.fixed_dictionaries(
    {"schemas": st.just([PATCH]), "Operations": st.lists(operations, max_size=4)}
)
bodies = st.one_of(values, patches, st.dictionaries(st.sampled_from(NAMES), values, max_size=6))


@pytest.fixture(scope="module")
def shared_scim(shared: Deployment) -> Scim:
    return scim_of(shared, TokenDriver(shared.http))


@settings(max_examples=100, deadline=None)
@given(
    method=st.sampled_from(["POST", "PUT", "PATCH"]),
    kind=st.sampled_from(["Users", "Groups"]),
    body=bodies,
)
def test_no_body_is_an_unexpected_error(
    shared_scim: Scim, shared: Deployment, method: str, kind: str, body: Any
):
    if method == "POST":
        path = f"/{kind}"
    elif kind == "Users":
        path = f"/Users/{shared.user(shared.next_id('user'), password=None)}"
    else:
        path = f"/Groups/{shared.group(shared.next_id('group'))}"
    content = json.dumps(body).encode()
    answer = shared_scim(method, path, content=content)
    assert answer.status_code in {200, 201, 204, 400, 409}
    if answer.status_code >= 400:
        refused(answer)
    if method == "POST" and answer.status_code == 201:
        assert shared_scim("DELETE", f"{path}/{answer.json()['id']}").status_code == 204


def contents() -> Iterator[tuple[bytes, int]]:
    yield b"", 400
    yield b"{", 400
    yield b"[]", 400
    yield b'{"userName":"a","userName":"b"}', 400
    yield b'{"userName":NaN}', 400
    yield b'{"userName":"\xff"}', 400
    yield b'{"userName":"\\ud800"}', 400
    yield b'{"userName":"a","title":"\\ud800"}', 400
    yield b'{"userName":"a","name":' + b'{"x":' * 50_000 + b"1" + b"}" * 50_000 + b"}", 400
    yield b'{"userName":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 413
    yield b'{"userName":"a","x":"' + b"a" * 1024 * 1024 + b'"}', 413
    yield b'{"userName":"a","x":1' + b"0" * 10_000 + b"}", 400


@pytest.mark.parametrize(("content", "status"), [*contents()], ids=range(12))
def test_bodies_that_are_no_resource_are_refused(shared_scim: Scim, content: bytes, status: int):
    answer = shared_scim("POST", "/Users", content=content)
    assert refused(answer)[0] == status


def test_a_body_must_be_of_a_known_media_type(shared_scim: Scim):
    for media_type in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": media_type}
        answer = shared_scim("POST", "/Users", content=b"{}", headers=headers)
        assert refused(answer)[0] == 415
    for media_type in ("application/json", f"{MEDIA_TYPE}; charset=utf-8"):
        headers = {"Content-Type": media_type}
        answer = shared_scim("POST", "/Users", content=b"{}", headers=headers)
        assert refused(answer) == (400, "invalidValue")


def test_a_patch_has_at_most_a_hundred_operations(shared_scim: Scim, shared: Deployment):
    for path in (f"/Users/{shared.user('patched')}", f"/Groups/{shared.group('patched')}"):
        operation = {"op": "add", "path": "externalId", "value": "x"}
        assert shared_scim.patch(path, *[operation] * 100).status_code in {200, 204}
        assert refused(shared_scim.patch(path, *[operation] * 101)) == (413, None)
        assert refused(shared_scim.patch(path, *[operation] * 1_000)) == (413, None)


@rows(
    ("operation", "kind"),
    [
        ({"op": "replace", "path": "../../admin", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "emails[type eq", "value": 1}, "invalidPath"),
        ({"op": "replace", "path": "id", "value": "usr_other"}, "mutability"),
        ({"op": "replace", "path": "meta.version", "value": "1"}, "mutability"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "userName", "value": None}, "mutability"),
        ({"op": "replace", "value": "x"}, "invalidValue"),
        ({"op": "add", "path": "active"}, "invalidValue"),
        ({"op": "move", "path": "active", "value": True}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": {"a": 1}}, "invalidValue"),
        ({"op": "replace", "path": f"emails[{'not (' * 40}type pr{')' * 40}]", "value": 1}, None),
    ],
)
def test_operations_that_lead_nowhere_are_refused(
    shared_scim: Scim, shared: Deployment, operation: dict[str, Any], kind: str | None
):
    user = shared.user(shared.next_id("user"), password=None)
    answer = shared_scim.patch(f"/Users/{user}", operation)
    status, found = refused(answer)
    assert (status, found if kind else None) == (400, kind)
    assert "\n" not in answer.json()["detail"]


@rows(
    ("operation", "kind"),
    [
        ({"op": "add", "path": "members", "value": [{"value": "usr_nobody"}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": ["usr_nobody"]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"value": 5}]}, "invalidValue"),
        ({"op": "add", "path": "members", "value": [{"value": "\x00"}]}, "invalidValue"),
        ({"op": "add", "path": "members"}, "invalidValue"),
        ({"op": "replace", "path": "members"}, "invalidValue"),
        ({"op": "remove", "path": 'members[type eq "User"]'}, "invalidFilter"),
        ({"op": "replace", "path": 'members[value eq "x"].value', "value": "y"}, "mutability"),
        ({"op": "replace", "path": "members.value", "value": "y"}, "mutability"),
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "replace", "path": "displayName", "value": "a\nb"}, "invalidValue"),
    ],
)
def test_operations_on_groups_that_lead_nowhere_are_refused(
    shared_scim: Scim, shared: Deployment, operation: dict[str, Any], kind: str
):
    group = shared.group(shared.next_id("group"))
    assert refused(shared_scim.patch(f"/Groups/{group}", operation)) == (400, kind)


def test_a_member_is_a_user(shared_scim: Scim, shared: Deployment):
    """There are no groups in groups."""
    inner = shared.group("inner")
    body = {"displayName": "outer", "members": [{"value": inner, "type": "Group"}]}
    assert refused(shared_scim("POST", "/Groups", json=body)) == (400, "invalidValue")
    body = {"displayName": "outer", "members": [{"value": "issuer-admin"}]}
    assert refused(shared_scim("POST", "/Groups", json=body)) == (400, "invalidValue")


@rows(
    ("method", "path"),
    [(each, "/Me") for each in ("GET", "POST", "PUT", "PATCH", "DELETE")] + [("POST", "/Bulk")],
)
def test_what_is_not_supported_is_501(shared_scim: Scim, method: str, path: str):
    """Whatever the body is. RFC 7644 §3.7, §3.11."""
    for body in (b"{}", b"", b"{"):
        assert refused(shared_scim(method, path, content=body)) == (501, None)


def test_wrong_paths_and_methods_are_refused(shared_scim: Scim):
    for path in ("", "/", "/Nothing"):
        assert refused(shared_scim.get(path)) == (404, None)
    assert refused(shared_scim.get("/Users/a/b")) == (404, None)
    assert refused(shared_scim.get("/Users/..%2FGroups")) == (404, None)
    answer = shared_scim("DELETE", "/Users")
    assert (refused(answer), answer.headers["allow"]) == ((405, None), "GET, POST")
    assert refused(shared_scim.get("/Schemas/urn:x")) == (404, None)
    assert refused(shared_scim.get("/Schemas", filter="id pr"))[0] == 403
    assert shared_scim("HEAD", "/Users").status_code == 200


def test_an_unexpected_error_is_an_error_document(scim: Scim, deployment: Deployment):
    with deployment.changing() as work:
        work._session.connection().exec_driver_sql("DROP TABLE group_members")
    answer = scim("POST", "/Groups", json={"displayName": "x"})
    assert answer.status_code in {500, 503}
    refused(answer)
