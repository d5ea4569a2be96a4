"""The rules for roles, on both databases."""

import pytest

from issuer.errors import AlreadyExists, InUse, InvalidField, NotFound
from issuer.roles import RoleFields
from tests.builders import Deployment
from tests.drivers import TokenDriver


def test_a_role_keeps_its_scopes_in_order_and_each_once(deployment: Deployment):
    deployment.role("runner", ["teams:run", "agents:run", "teams:run"])
    with deployment.changing() as work:
        assert work.roles.get("runner").scopes == ["teams:run", "agents:run"]


def test_two_roles_cannot_have_the_same_name(deployment: Deployment):
    deployment.role("runner", [])
    with pytest.raises(AlreadyExists):
        deployment.role("runner", [])


def test_a_changed_role_changes_the_next_token(deployment: Deployment, token_endpoint: TokenDriver):
    deployment.role("runner", ["agents:run"])
    client = deployment.client(roles=["runner"])
    assert token_endpoint.client_credentials(client).scope == {"agents:run"}
    with deployment.changing() as work:
        work.roles.update("runner", {"scopes": ["teams:run"]})
    assert token_endpoint.client_credentials(client).scope == {"teams:run"}


def test_a_role_in_use_is_deleted_only_with_cascade(
    deployment: Deployment, token_endpoint: TokenDriver
):
    deployment.role("runner", ["agents:run"])
    client = deployment.client("ci-bot", roles=["runner"])
    with pytest.raises(InUse) as refused, deployment.changing() as work:
        work.roles.delete("runner")
    assert refused.value.users_of_it == ["ci-bot"]
    with deployment.changing() as work:
        work.roles.delete("runner", cascade=True)
    assert token_endpoint.client_credentials(client).scope == set()


def test_a_name_cannot_be_changed(deployment: Deployment):
    deployment.role("runner", [])
    for patch in ({"name": "other"}, {"name": None}):
        with pytest.raises(InvalidField, match="name"), deployment.changing() as work:
            work.roles.update("runner", patch)


def test_an_unknown_role_is_not_found(deployment: Deployment):
    with pytest.raises(NotFound), deployment.changing() as work:
        work.roles.get("unknown")


def test_a_role_has_at_most_500_scopes():
    with pytest.raises(InvalidField, match="scopes"):
        RoleFields.read({"name": "a", "scopes": [f"agents:a{i}:run" for i in range(501)]})
