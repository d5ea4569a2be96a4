"""Groups over SCIM: what is stored, what other interfaces see of it, and what it ends."""

from collections import namedtuple
from datetime import timedelta

from issuer.admin.scim.resources import cut
from tests.admin.scim.driver import GROUP, Scim, refused
from tests.builders import Deployment, FakeClock
from tests.drivers import AdminApi, TokenDriver

OfCut = namedtuple("OfCut", "id")


def members(scim: Scim, group: str) -> set[str]:
    return {each["value"] for each in scim.get(f"/Groups/{group}").json().get("members", [])}


def test_a_group_is_that_of_the_other_interfaces(
    scim: Scim, admin: AdminApi, deployment: Deployment
):
    user = deployment.user("alice")
    body = {
        "schemas": [GROUP],
        "displayName": "Engineering",
        "externalId": "4711",
        "members": [{"value": user}],
    }
    created = scim("POST", "/Groups", json=body)
    group = created.json()["id"]
    assert created.json()["members"] == [
        {"value": user, "$ref": f"https://id.example/scim/v2/Users/{user}", "type": "User"}
    ]
    assert created.headers["location"] == f"https://id.example/scim/v2/Groups/{group}"
    shown = admin.get(f"/groups/{group}").json()
    assert (shown["name"], shown["external_id"]) == ("Engineering", "4711")
    admin.patch(f"/groups/{group}", description="Those who build")
    scim("PUT", f"/Groups/{group}", json={"displayName": "Builders"})
    shown = admin.get(f"/groups/{group}").json()
    assert (shown["name"], shown["external_id"], shown["description"]) == (
        "Builders", None, "Those who build",
    )  # fmt: skip
    assert members(scim, group) == set()


def test_names_are_unique_in_any_case(scim: Scim):
    first = scim("POST", "/Groups", json={"displayName": "Engineering"}).json()["id"]
    other = scim("POST", "/Groups", json={"displayName": "Other"}).json()["id"]
    assert refused(scim("POST", "/Groups", json={"displayName": "ENGINEERING"})) == (
        409, "uniqueness",
    )  # fmt: skip
    rename = {"op": "replace", "path": "displayName", "value": "engineering"}
    assert refused(scim.patch(f"/Groups/{other}", rename)) == (409, "uniqueness")
    assert scim.patch(f"/Groups/{first}", rename).status_code == 204
    assert scim.found('displayName eq "ENGINEERING"', "/Groups", "id") == [first]
    assert scim.found('displayName sw "eng"', "/Groups", "id") == [first]
    assert scim.found('not (displayName eq "other")', "/Groups", "id") == [first]


def test_the_answer_to_a_patch_is_the_group_if_it_is_asked_for(scim: Scim, deployment: Deployment):
    """RFC 7644 §3.5.2. It may be long."""
    group, user = deployment.group("ours"), deployment.user("alice")
    join = {"op": "add", "path": "members", "value": [{"value": user}]}
    answer = scim.patch(f"/Groups/{group}", join, params={"attributes": "members.display"})
    assert answer.status_code == 200
    assert answer.json()["members"] == [{"display": "alice"}]
    etag = answer.headers["etag"]
    leave = {"op": "remove", "path": f'members[value eq "{user}" or value eq "nobody"]'}
    answer = scim.patch(f"/Groups/{group}", leave)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["etag"] != etag
    assert refused(scim.patch(f"/Groups/{group}", join, headers={"If-Match": etag})) == (412, None)
    assert members(scim, group) == set()


def test_operations_are_carried_out_in_their_order(scim: Scim, deployment: Deployment):
    group = deployment.group("ours")
    ann, ben, cat = (deployment.user(name) for name in ("ann", "ben", "cat"))
    answer = scim.patch(
        f"/Groups/{group}",
        {"op": "add", "value": {"members": [{"value": ann}], "externalId": "1"}},
        {"op": "replace", "path": "members", "value": {"value": ben}},
        {"op": "add", "path": f"{GROUP}:members", "value": [{"value": cat}, {"value": ann}]},
        {"op": "remove", "path": f'members[value eq "{ben}"]'},
        {"op": "Replace", "value": {"displayName": "renamed", "MEMBERS": [{"Value": cat}]}},
    )
    assert answer.status_code == 204
    shown = scim.get(f"/Groups/{group}").json()
    assert (shown["displayName"], shown["externalId"]) == ("renamed", "1")
    assert members(scim, group) == {cat}
    assert scim.patch(f"/Groups/{group}", {"op": "remove", "path": "members"}).status_code == 204
    assert members(scim, group) == set()


def test_who_leaves_a_group_loses_what_it_gave(
    scim: Scim, deployment: Deployment, token_endpoint: TokenDriver, clock: FakeClock
):
    deployment.role("runner", ["agents:run"])
    user = deployment.user("alice")
    group = deployment.group("runners", [user], roles=["runner"])
    client = deployment.client(grant_types=["password", "refresh_token"], user_rights="all")
    answer = token_endpoint.password(client, "alice")
    assert answer.scope == {"agents:run"}
    scim.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{user}"]'})
    assert token_endpoint.introspect(client, answer.token) == {"active": False}
    assert token_endpoint.refresh(client, answer.refresh_token).scope == set()
    scim.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})
    again = token_endpoint.password(client, "alice")
    assert again.scope == {"agents:run"}
    clock.move(timedelta(seconds=5))  # an entry of the feed moves no sooner
    scim("DELETE", f"/Groups/{group}")
    assert token_endpoint.introspect(client, again.token) == {"active": False}


def test_a_page_has_a_bounded_number_of_members():
    """The client asks for the next page, whatever number it asked for."""
    groups = [OfCut(str(number)) for number in range(4)]
    assert cut(groups, {"0": 10_000, "1": 10_000, "2": 1, "3": 0}) == groups[:2]
    assert cut(groups, {"0": 30_000, "1": 0, "2": 0, "3": 0}) == groups[:1]
    assert cut(groups, dict.fromkeys("0123", 5_000)) == groups
    assert cut([], {}) == []
