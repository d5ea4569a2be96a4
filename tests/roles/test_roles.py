"""The rules for roles, on both databases."""

import pytest

from issuer.errors import AlreadyExists, InUse, InvalidField, NotFound
from issuer.roles import RoleFields
from tests.builders import House
from tests.drivers import TokenEndpoint


def test_a_role_keeps_its_scopes_in_order_and_each_once(house: House):
    house.role("runner", ["teams:run", "agents:run", "teams:run"])
    with house.changing() as rooms:
        assert rooms.roles.get("runner").scopes == ["teams:run", "agents:run"]


def test_a_name_is_taken_once(house: House):
    house.role("runner", [])
    with pytest.raises(AlreadyExists):
        house.role("runner", [])


def test_a_changed_role_changes_the_next_token(house: House, token_endpoint: TokenEndpoint):
    house.role("runner", ["agents:run"])
    client = house.client(roles=["runner"])
    assert token_endpoint.client_credentials(client).scope == {"agents:run"}
    with house.changing() as rooms:
        rooms.roles.update("runner", {"scopes": ["teams:run"]})
    assert token_endpoint.client_credentials(client).scope == {"teams:run"}


def test_a_role_in_use_is_kept_unless_its_holders_are_to_lose_it(
    house: House, token_endpoint: TokenEndpoint
):
    house.role("runner", ["agents:run"])
    client = house.client("ci-bot", roles=["runner"])
    with pytest.raises(InUse) as refused, house.changing() as rooms:
        rooms.roles.delete("runner")
    assert refused.value.users_of_it == ["ci-bot"]
    with house.changing() as rooms:
        rooms.roles.delete("runner", cascade=True)
    assert token_endpoint.client_credentials(client).scope == set()


def test_a_name_cannot_be_changed(house: House):
    house.role("runner", [])
    for patch in ({"name": "other"}, {"name": None}):
        with pytest.raises(InvalidField, match="name"), house.changing() as rooms:
            rooms.roles.update("runner", patch)


def test_what_is_not_there_is_not_found(house: House):
    with pytest.raises(NotFound), house.changing() as rooms:
        rooms.roles.get("nobody")


def test_a_role_has_at_most_500_scopes():
    with pytest.raises(InvalidField, match="scopes"):
        RoleFields.read({"name": "a", "scopes": [f"agents:a{i}:run" for i in range(501)]})
