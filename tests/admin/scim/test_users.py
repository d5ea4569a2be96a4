"""Users over SCIM: what is stored, what other interfaces see of it, and what it ends."""

from itertools import count
from typing import Any

import pytest

from tests.admin.scim.driver import USER, Scim, refused
from tests.builders import Deployment
from tests.drivers import AdminApi, TokenDriver
from tests.rows import rows

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
EVERYTHING: dict[str, Any] = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "0815",
    "userName": "alice",
    "name": {"givenName": "Alice", "familyName": "Ärmel", "formatted": "Dr. Alice Ärmel"},
    "displayName": "Alice",
    "nickName": "Al",
    "profileUrl": "https://people.example/alice",
    "title": "Engineer",
    "userType": "Employee",
    "preferredLanguage": "de",
    "locale": "de-DE",
    "timezone": "Europe/Berlin",
    "active": True,
    "emails": [
        {"value": "alice@example.org", "type": "work", "primary": True, "display": "Work"},
        {"value": "al@example.net", "type": "home"},
    ],
    "phoneNumbers": [{"value": "55555555555", "type": "mobile"}],
    "addresses": [{"streetAddress": "Weg 1\nHof", "country": "DE", "type": "work"}],
    ENTERPRISE: {
        "employeeNumber": "7",
        "department": "R&D",
        "costCenter": "12",
        "manager": {"value": "26118915", "$ref": "../Users/26118915", "displayName": "Bob"},
    },
}
SET_TITLE = {"op": "replace", "path": "title", "value": "Boss"}
numbers = count(1)
DISABLE = {"op": "replace", "path": "active", "value": False}


def attributes_of(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in answer.items() if name not in {"id", "meta"}}


def test_attributes_are_kept_as_they_were_sent(scim: Scim):
    created = scim("POST", "/Users", json=EVERYTHING).json()
    assert attributes_of(created) == EVERYTHING
    assert scim.get(f"/Users/{created['id']}").json() == created


def test_other_interfaces_see_the_members_of_a_user(scim: Scim, admin: AdminApi):
    id_ = scim("POST", "/Users", json=EVERYTHING).json()["id"]
    user = admin.get(f"/users/{id_}").json()
    assert user["username"] == "alice"
    assert (user["name"], user["email"], user["email_verified"]) == (
        "Alice", "alice@example.org", False,
    )  # fmt: skip
    assert (user["disabled"], user["claims"]) == (False, {})


@rows(
    ("number", "sent", "name"),
    [
        (1, {"displayName": "A"}, "A"),
        (2, {"name": {"formatted": "A B"}}, "A B"),
        (3, {"name": {"givenName": "A", "familyName": "B"}}, "A B"),
        (4, {}, ""),
    ],
)
def test_a_user_has_the_name_that_there_is(
    scim: Scim, admin: AdminApi, number: int, sent: dict[str, Any], name: str
):
    created = scim("POST", "/Users", json={"userName": f"user-{number}", **sent}).json()
    assert admin.get(f"/users/{created['id']}").json()["name"] == name
    assert ("displayName" in created) == ("displayName" in sent)
    assert created["active"] is True


def test_an_empty_name_to_show_stays_empty(scim: Scim, admin: AdminApi):
    names = {"displayName": "", "name": {"formatted": "A B", "givenName": "A"}}
    created = scim("POST", "/Users", json={"userName": "alice", **names}).json()
    for answer in (
        created,
        scim.get(f"/Users/{created['id']}").json(),
        scim.patch(f"/Users/{created['id']}", SET_TITLE).json(),
    ):
        assert (answer["displayName"], answer["name"]["formatted"]) == ("", "A B")
    assert admin.get(f"/users/{created['id']}").json()["name"] == ""


@rows("value", ["False", [{"value": "False"}], [{"value": False}]])
def test_a_user_is_disabled_in_each_form_that_entra_sends(scim: Scim, value: object):
    for operation in (
        {"op": "Replace", "path": "active", "value": value},
        {"op": "Replace", "value": {"active": value}},
    ):
        id_ = scim("POST", "/Users", json={"userName": f"u-{next(numbers)}"}).json()["id"]
        assert scim.patch(f"/Users/{id_}", operation).json()["active"] is False
    created = scim("POST", "/Users", json={"userName": f"u-{next(numbers)}", "active": value})
    assert created.json()["active"] is False


@rows(
    "value",
    ["4711", {"value": "4711"}, [{"value": "4711"}], [{"$ref": None, "value": "4711"}]],
)
def test_the_manager_is_kept_in_each_form_that_entra_sends(scim: Scim, value: object):
    id_ = scim("POST", "/Users", json={"userName": f"u-{next(numbers)}"}).json()["id"]
    path = f"{ENTERPRISE}:manager"
    for operation in ({"path": path, "value": value}, {"value": {path: value}}):
        answer = scim.patch(f"/Users/{id_}", {"op": "Add", **operation}).json()
        assert answer[ENTERPRISE] == {"manager": {"value": "4711"}}
        removed = scim.patch(f"/Users/{id_}", {"op": "Remove", "path": path}).json()
        assert "manager" not in removed.get(ENTERPRISE, {})


def test_a_value_may_have_paths_with_a_filter_as_names(scim: Scim, admin: AdminApi):
    """As Entra sends changes of several attributes."""
    id_ = scim("POST", "/Users", json=EVERYTHING).json()["id"]
    value = {
        "title": "Boss",
        'emails[type eq "work"].value': "boss@example.org",
        'phoneNumbers[type eq "fax"].value': "1",
        f"{ENTERPRISE}:department": "Board",
    }
    answer = scim.patch(f"/Users/{id_}", {"op": "Replace", "value": value}).json()
    assert (answer["title"], answer[ENTERPRISE]["department"]) == ("Boss", "Board")
    assert answer["emails"][0] == {**EVERYTHING["emails"][0], "value": "boss@example.org"}
    assert answer["phoneNumbers"][1] == {"type": "fax", "value": "1"}
    assert admin.get(f"/users/{id_}").json()["email"] == "boss@example.org"
    many = {f'emails[type eq "{number}"].value': "a@b.example" for number in range(101)}
    assert scim.patch(f"/Users/{id_}", {"op": "Replace", "value": many}).status_code == 413


def test_the_schemas_have_the_manager_and_the_id_of_the_client(scim: Scim):
    found = {each["id"]: each["attributes"] for each in scim.get("/Schemas").json()["Resources"]}
    names = {id_: {each["name"] for each in attributes} for id_, attributes in found.items()}
    assert "externalId" in names[USER]
    assert "externalId" in names["urn:ietf:params:scim:schemas:core:2.0:Group"]
    assert "manager" in names[ENTERPRISE]


def test_changes_by_others_are_shown(scim: Scim, admin: AdminApi):
    id_ = scim("POST", "/Users", json=EVERYTHING).json()["id"]
    admin.patch(f"/users/{id_}", name="Alicia", email="alicia@example.org", disabled=True)
    shown = scim.get(f"/Users/{id_}").json()
    assert (shown["displayName"], shown["active"]) == ("Alicia", False)
    assert [each["value"] for each in shown["emails"]] == ["alicia@example.org", "al@example.net"]
    assert shown["title"] == "Engineer"
    admin.patch(f"/users/{id_}", email=None)
    assert [each["value"] for each in scim.get(f"/Users/{id_}").json()["emails"]] == [
        "al@example.net"
    ]


def test_users_that_others_made_can_be_found_and_changed(
    scim: Scim, admin: AdminApi, deployment: Deployment
):
    """An identity provider finds them by name or address, and then sets its id for them."""
    id_ = deployment.user("bob", email="bob@example.org", email_verified=True, claims={"team": "x"})
    assert scim.found('emails[type eq "work"].value eq "BOB@example.org"') == ["bob"]
    answer = scim.patch(
        f"/Users/{id_}",
        {"op": "Add", "path": "externalId", "value": "4711"},
        {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "bob@example.org"},
    )
    assert answer.json()["externalId"] == "4711"
    assert scim.found('externalId eq "4711"') == ["bob"]
    user = admin.get(f"/users/{id_}").json()
    assert (user["email_verified"], user["claims"]) == (True, {"team": "x"})
    replaced = scim("PUT", f"/Users/{id_}", json={"userName": "bob", "title": "Cook"}).json()
    assert attributes_of(replaced) == {
        "schemas": [USER], "userName": "bob", "title": "Cook", "active": True,
    }  # fmt: skip
    user = admin.get(f"/users/{id_}").json()
    assert (user["email"], user["email_verified"], user["claims"]) == (None, False, {"team": "x"})


def test_an_address_from_elsewhere_is_not_verified(scim: Scim, admin: AdminApi):
    id_ = scim("POST", "/Users", json=EVERYTHING).json()["id"]
    admin.patch(f"/users/{id_}", email_verified=True)
    scim.patch(f"/Users/{id_}", {"op": "replace", "path": "title", "value": "Boss"})
    assert admin.get(f"/users/{id_}").json()["email_verified"] is True
    other = [{"value": "other@example.org", "primary": True}]
    scim.patch(f"/Users/{id_}", {"op": "add", "path": "emails", "value": other})
    user = admin.get(f"/users/{id_}").json()
    assert (user["email"], user["email_verified"]) == ("other@example.org", False)


def test_passwords_roles_and_entitlements_are_ignored(
    scim: Scim, admin: AdminApi, deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("runner", ["agents:run"])
    ignored = {
        "password": "correct horse battery staple",
        "roles": [{"value": "runner"}],
        "entitlements": [{"value": "runner"}],
        "groups": [{"value": deployment.group("runners", roles=["runner"])}],
        "claims": {"team": "x"},
    }
    user = scim.create("alice", **ignored)
    for operation in (
        {"op": "replace", "path": "password", "value": ignored["password"]},
        {"op": "add", "path": "roles", "value": ignored["roles"]},
        {"op": "add", "value": {"roles": ignored["roles"], "claims": ignored["claims"]}},
    ):
        assert scim.patch(f"/Users/{user['id']}", operation).status_code == 200
    in_group = {"op": "add", "path": "groups", "value": ignored["groups"]}
    assert refused(scim.patch(f"/Users/{user['id']}", in_group)) == (400, "mutability")
    assert not user.keys() & ignored.keys()
    assert admin.get(f"/users/{user['id']}/roles").json()["items"] == []
    assert admin.get(f"/users/{user['id']}").json()["claims"] == {}
    client = deployment.client(grant_types=["password"], user_rights="all")
    answer = token_endpoint.password(client, "alice", ignored["password"])
    assert answer.error == "invalid_grant"


@pytest.mark.parametrize("how", ["disabled", "replaced", "deleted"])
def test_offboarding_ends_tokens_and_sessions_at_once(
    scim: Scim, deployment: Deployment, token_endpoint: TokenDriver, how: str
):
    user = deployment.user("alice")
    client = deployment.client(grant_types=["password", "refresh_token"], user_rights="all")
    answer = token_endpoint.password(client, "alice")
    assert token_endpoint.introspect(client, answer.token)["active"] is True
    path = f"/Users/{user}"
    if how == "disabled":
        scim.patch(path, DISABLE)
    elif how == "replaced":
        scim("PUT", path, json={"userName": "alice", "active": False})
    else:
        scim("DELETE", path)
    assert token_endpoint.introspect(client, answer.token) == {"active": False}
    assert token_endpoint.refresh(client, answer.body["refresh_token"]).error == "invalid_grant"
    assert token_endpoint.password(client, "alice").error == "invalid_grant"


def test_changes_are_made_to_the_version_that_the_client_knows(scim: Scim):
    """RFC 7644 §3.14, RFC 9110 §13.1."""
    created = scim("POST", "/Users", json={"userName": "alice"})
    path, etag = f"/Users/{created.json()['id']}", created.headers["etag"]
    assert etag == created.json()["meta"]["version"]
    assert etag.startswith('W/"')
    assert scim.get(path).headers["etag"] == etag
    unchanged = scim("GET", path, headers={"If-None-Match": etag})
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    title = {"op": "add", "path": "title", "value": "Boss"}
    changed = scim.patch(path, title, headers={"If-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert scim.patch(path, title).headers["etag"] == changed.headers["etag"]  # nothing to do
    of_now = changed.headers["etag"]
    for headers in ({"If-Match": etag}, {"If-None-Match": of_now}, {"If-None-Match": "*"}):
        for answer in (
            scim.patch(path, title, headers=headers),
            scim("PUT", path, json={"userName": "alice"}, headers=headers),
            scim("DELETE", path, headers=headers),
        ):
            assert refused(answer) == (412, None)
    assert scim.patch(path, title, headers={"If-None-Match": etag}).status_code == 200
    assert scim("DELETE", path, headers={"If-Match": "*"}).status_code == 204


def test_read_only_attributes_are_ignored_whatever_they_hold(scim: Scim):
    """RFC 7643 §7, RFC 7644 §3.5.1. A PATCH that names one is refused."""
    malformed = {"id": 5, "meta": {"created": "yesterday"}, "groups": "all", "META": []}
    for path, name in (("/Users", "userName"), ("/Groups", "displayName")):
        created = scim("POST", path, json={name: "alice", **malformed})
        assert created.status_code == 201
        place = f"{path}/{created.json()['id']}"
        assert scim("PUT", place, json={name: "alice", **malformed}).json() == created.json()
        answer = scim.patch(place, {"op": "replace", "path": "meta.created", "value": "x"})
        assert refused(answer) == (400, "mutability")


def test_representations_are_as_long_as_asked_for(scim: Scim):
    """RFC 7644 §3.9."""
    id_ = scim("POST", "/Users", json=EVERYTHING).json()["id"]
    for parameters, shown in (
        ({"attributes": "userName,name.givenName"}, {"userName", "name"}),
        ({"attributes": f"{ENTERPRISE}:department"}, {ENTERPRISE}),
        ({"attributes": "unknown"}, set()),
    ):
        answer = scim.get(f"/Users/{id_}", **parameters).json()
        assert answer.keys() - {"schemas", "id"} == shown, parameters
    assert scim.get(f"/Users/{id_}", attributes="name.givenName").json()["name"] == {
        "givenName": "Alice"
    }
    less = scim.get("/Users", excludedAttributes="emails,name").json()["Resources"][0]
    assert not {"emails", "name"} & less.keys()
    both = scim.get(f"/Users/{id_}", attributes="title", excludedAttributes="name")
    assert refused(both) == (400, "invalidValue")


def test_groups_of_a_user_are_shown(scim: Scim, deployment: Deployment):
    user = scim.create("alice")["id"]
    group = deployment.group("Admins", [user])
    assert scim.get(f"/Users/{user}").json()["groups"] == [
        {
            "value": group,
            "$ref": f"https://id.example/scim/v2/Groups/{group}",
            "display": "Admins",
            "type": "direct",
        }
    ]
    assert scim.found(f'groups.value eq "{group}"') == ["alice"]
    assert "groups" not in scim.get(f"/Users/{user}", excludedAttributes="groups").json()


@rows(
    ("sent", "named"),
    [
        ({"userName": None}, "userName"),
        ({"userName": ""}, "userName"),
        ({"userName": "a" * 200}, "userName"),
        ({"userName": "a\u0000b"}, "userName"),
        ({"userName": 5}, "userName"),
        ({"emails": [{"value": "no address"}]}, "emails"),
        ({"emails": "alice@example.org"}, "emails"),
        ({"emails": [{"value": f"a{n}@example.org"} for n in range(21)]}, "emails"),
        ({"displayName": "a\nb"}, "displayName"),
        ({"displayName": "a" * 300}, "displayName"),
        ({"externalId": "a" * 300}, "externalId"),
        ({"active": "maybe"}, "active"),
        ({"title": "a\u0000b"}, "attributes"),
        ({"addresses": [{"formatted": "a" * 17_000}]}, "attributes"),
        ({"name": []}, "name"),
    ],
)
def test_wrong_values_are_refused_by_name(scim: Scim, sent: dict[str, Any], named: str):
    answer = scim("POST", "/Users", json={"userName": "alice", **sent})
    assert refused(answer) == (400, "invalidValue")
    assert named in answer.json()["detail"]
