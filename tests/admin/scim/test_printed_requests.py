"""The requests that the documentation of identity providers prints work as printed.

Only ids are those of this issuer's users and groups, since a service chooses them itself.
"""

from typing import Any

import pytest

from tests.admin.scim.driver import GROUP, PATCH, USER, Scim, refused

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


class TestEntra:
    """https://learn.microsoft.com/entra/identity/app-provisioning/use-scim-to-provision-users-and-groups"""

    created: dict[str, Any] = {
        "schemas": [USER, ENTERPRISE],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_00aa00aa-bb11-cc22-dd33-44ee44ee44ee",
        "active": True,
        "emails": [
            {
                "primary": True,
                "type": "work",
                "value": "Test_User_11bb11bb-cc22-dd33-ee44-55ff55ff55ff@testuser.com",
            }
        ],
        "meta": {"resourceType": "User"},
        "name": {
            "formatted": "givenName familyName",
            "familyName": "familyName",
            "givenName": "givenName",
        },
        "roles": [],
    }

    @pytest.fixture
    def user(self, scim: Scim) -> dict[str, Any]:
        answer = scim("POST", "/Users", json=self.created)
        assert answer.status_code == 201
        return answer.json()

    @pytest.fixture
    def group(self, scim: Scim) -> str:
        body = {
            "schemas": [
                GROUP,
                "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group",
            ],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
            "displayName": "displayName",
            "meta": {"resourceType": "Group"},
        }
        answer = scim("POST", "/Groups", json=body)
        assert answer.status_code == 201
        assert answer.json()["externalId"] == "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159"
        return answer.json()["id"]

    def test_create_a_user(self, scim: Scim, user: dict[str, Any]):
        ours = {"schemas", "meta", "roles"}
        assert {**user, **{name: self.created[name] for name in self.created.keys() - ours}} == user
        assert user["meta"]["resourceType"] == "User"
        assert scim.get(f"/Users/{user['id']}").json() == user

    def test_create_a_user_with_null_for_what_there_is_not(self, scim: Scim):
        body = {
            "schemas": [USER, "urn:ietf:params:scim:schemas:extension:enterprise:2.0User"],
            "externalId": "jyoung",
            "userName": "jyoung@testuser.com",
            "active": True,
            "addresses": None,
            "displayName": "Joy Young",
            "emails": [{"type": "work", "value": "jyoung@Contoso.com", "primary": True}],
            "meta": {"resourceType": "User"},
            "name": {"familyName": "Young", "givenName": "Joy"},
            "phoneNumbers": None,
            "preferredLanguage": None,
            "title": None,
            "department": None,
            "manager": None,
        }
        answer = scim("POST", "/Users", json=body)
        assert answer.status_code == 201
        assert answer.json()["displayName"] == "Joy Young"
        assert "addresses" not in answer.json()

    def test_find_users(self, scim: Scim, user: dict[str, Any]):
        name = self.created["userName"]
        (address,) = (each["value"] for each in self.created["emails"])
        for text in (
            f'userName eq "{name}"',
            f'externalId eq "{self.created["externalId"]}"',
            f'emails[type eq "work"].value eq "{address}"',
            f'id eq "{user["id"]}"',
        ):
            assert scim.found(text) == [name], text
        nobody = scim.get("/Users", filter='userName eq "non-existent user"')
        assert nobody.status_code == 200
        assert (nobody.json()["totalResults"], nobody.json()["Resources"]) == (0, [])

    def test_a_user_that_does_not_exist_is_404(self, scim: Scim):
        assert refused(scim.get("/Users/5171a35d82074e068ce2")) == (404, None)

    def test_update_values_of_lists(self, scim: Scim, user: dict[str, Any]):
        answer = scim.patch(
            f"/Users/{user['id']}",
            {
                "op": "Replace",
                "path": 'emails[type eq "work"].value',
                "value": "updatedEmail@microsoft.com",
            },
            {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
        )
        assert answer.status_code == 200
        assert answer.json()["emails"] == [
            {"value": "updatedEmail@microsoft.com", "type": "work", "primary": True}
        ]
        assert answer.json()["name"]["familyName"] == "updatedFamilyName"

    def test_update_single_values(self, scim: Scim, user: dict[str, Any]):
        name = "5b50642d-79fc-4410-9e90-4c077cdd1a59@testuser.com"
        answer = scim.patch(
            f"/Users/{user['id']}", {"op": "Replace", "path": "userName", "value": name}
        )
        assert (answer.status_code, answer.json()["userName"]) == (200, name)

    def test_disable_and_enable_a_user(self, scim: Scim, user: dict[str, Any]):
        for value, is_active in ((False, False), (True, True), ("False", False)):
            body = {
                "Operations": [{"op": "Replace", "path": "active", "value": value}],
                "schemas": [PATCH],
            }
            answer = scim("PATCH", f"/Users/{user['id']}", json=body)
            assert (answer.status_code, answer.json()["active"]) == (200, is_active)
            assert scim.get(f"/Users/{user['id']}").json()["active"] is is_active

    def test_a_manager_is_ignored(self, scim: Scim, user: dict[str, Any]):
        manager = {"$ref": "http://.../scim/Users/00aa00aa-bb11-cc22", "value": "00aa00aa-bb11"}
        for operation in (
            {"op": "Add", "path": "manager", "value": [manager]},
            {"op": "Add", "path": f"{ENTERPRISE}:manager", "value": "00aa00aa-bb11"},
        ):
            assert scim.patch(f"/Users/{user['id']}", operation).status_code == 200

    def test_delete_a_user(self, scim: Scim, user: dict[str, Any]):
        answer = scim("DELETE", f"/Users/{user['id']}")
        assert (answer.status_code, answer.content) == (204, b"")
        assert refused(scim.get(f"/Users/{user['id']}")) == (404, None)

    def test_read_a_group_without_its_members(self, scim: Scim, group: str):
        answer = scim.get(f"/Groups/{group}", excludedAttributes="members")
        assert (answer.status_code, answer.json()["displayName"]) == (200, "displayName")
        found = scim.get(
            "/Groups", excludedAttributes="members", filter='displayName eq "displayName"'
        )
        assert [each["id"] for each in found.json()["Resources"]] == [group]

    def test_rename_a_group(self, scim: Scim, group: str):
        name = "1879db59-3bdf-4490-ad68-ab880a269474updatedDisplayName"
        operation = {"op": "Replace", "path": "displayName", "value": name}
        assert scim.patch(f"/Groups/{group}", operation).status_code == 204
        assert scim.get(f"/Groups/{group}").json()["displayName"] == name

    def test_add_and_remove_members(self, scim: Scim, group: str, user: dict[str, Any]):
        member = {"$ref": None, "value": user["id"]}
        for op, members in (("Add", [user["id"]]), ("Remove", [])):
            operation = {"op": op, "path": "members", "value": [member]}
            assert scim.patch(f"/Groups/{group}", operation).status_code == 204
            shown = scim.get(f"/Groups/{group}").json().get("members", [])
            assert [each["value"] for each in shown] == members
            is_there = f'id eq "{group}" and members eq "{user["id"]}"'
            assert len(scim.found(is_there, "/Groups", "id")) == len(members)

    def test_delete_a_group(self, scim: Scim, group: str):
        assert scim("DELETE", f"/Groups/{group}").status_code == 204

    def test_discover_the_schemas(self, scim: Scim):
        answer = scim.get("/Schemas").json()
        assert {USER, GROUP, ENTERPRISE} <= {each["id"] for each in answer["Resources"]}
        assert "null" not in scim.get("/Schemas").text


class TestOkta:
    """https://developer.okta.com/docs/api/openapi/okta-scim/guides/scim-20"""

    created: dict[str, Any] = {
        "schemas": [USER],
        "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }

    @pytest.fixture
    def user(self, scim: Scim) -> dict[str, Any]:
        answer = scim("POST", "/Users", json=self.created)
        assert answer.status_code == 201
        return answer.json()

    @pytest.fixture
    def group(self, scim: Scim) -> str:
        body = {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": []}
        answer = scim("POST", "/Groups", json=body)
        assert answer.status_code == 201
        return answer.json()["id"]

    def test_ask_whether_the_user_exists_and_create_it(self, scim: Scim, user: dict[str, Any]):
        ours = {"groups", "password"}
        assert {**user, **{name: self.created[name] for name in self.created.keys() - ours}} == user
        assert "password" not in user
        text = 'userName eq "test.user@okta.local"'
        answer = scim.get("/Users", filter=text, startIndex=1, count=100)
        assert [each["id"] for each in answer.json()["Resources"]] == [user["id"]]
        assert refused(scim("POST", "/Users", json=self.created)) == (409, "uniqueness")

    def test_page_through_users_and_groups(self, scim: Scim, user: dict[str, Any], group: str):
        for path, id_ in (("/Users", user["id"]), ("/Groups", group)):
            answer = scim.get(path, startIndex=1, count=100).json()
            assert [each["id"] for each in answer["Resources"]] == [id_]
            paging = [answer[name] for name in ("totalResults", "startIndex", "itemsPerPage")]
            assert paging == [1, 1, 1]

    def test_replace_a_user(self, scim: Scim, user: dict[str, Any]):
        body = {
            "schemas": [USER],
            "id": user["id"],
            "userName": "test.user@okta.local",
            "name": {"givenName": "Another", "middleName": "Excited", "familyName": "User"},
            "emails": [
                {
                    "primary": True,
                    "value": "test.user@okta.local",
                    "type": "work",
                    "display": "test.user@okta.local",
                }
            ],
            "active": True,
            "groups": [],
            "meta": {"resourceType": "User"},
        }
        answer = scim("PUT", f"/Users/{user['id']}", json=body)
        assert answer.status_code == 200
        shown = answer.json()
        ours = {"groups", "meta"}
        assert {**shown, **{name: body[name] for name in body.keys() - ours}} == shown
        assert "locale" not in shown

    def test_deactivate_a_user(self, scim: Scim, user: dict[str, Any]):
        answer = scim.patch(f"/Users/{user['id']}", {"op": "replace", "value": {"active": False}})
        assert (answer.status_code, answer.json()["active"]) == (200, False)

    def test_rename_a_group(self, scim: Scim, group: str):
        value = {"id": group, "displayName": "Test SCIMv20"}
        assert scim.patch(f"/Groups/{group}", {"op": "replace", "value": value}).status_code == 204
        assert scim.get(f"/Groups/{group}").json()["displayName"] == "Test SCIMv20"

    def test_change_members(self, scim: Scim, group: str, user: dict[str, Any]):
        other = scim.create("other")["id"]
        member = {"value": user["id"], "display": "test.user@okta.local"}
        answer = scim.patch(
            f"/Groups/{group}",
            {"op": "remove", "path": f'members[value eq "{other}"]'},
            {"op": "add", "path": "members", "value": [member]},
        )
        assert (answer.status_code, self.members(scim, group)) == (204, {user["id"]})
        both = [member, {"value": other, "display": "test.user@okta.local"}]
        scim.patch(f"/Groups/{group}", {"op": "replace", "path": "members", "value": both})
        assert self.members(scim, group) == {user["id"], other}
        body = {"schemas": [GROUP], "displayName": "Test SCIMv2", "members": [member]}
        assert scim("PUT", f"/Groups/{group}", json=body).status_code == 200
        assert self.members(scim, group) == {user["id"]}
        scim.patch(
            f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{user["id"]}"]'}
        )
        assert self.members(scim, group) == set()

    def members(self, scim: Scim, group: str) -> set[str]:
        shown = scim.get(f"/Groups/{group}").json().get("members", [])
        return {each["value"] for each in shown}

    def test_delete_a_group(self, scim: Scim, group: str):
        assert scim("DELETE", f"/Groups/{group}").status_code == 204
        assert refused(scim.get(f"/Groups/{group}")) == (404, None)
