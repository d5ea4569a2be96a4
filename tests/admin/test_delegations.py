"""`/users/{id}/delegations`."""

from collections.abc import Callable

import pytest

from tests.builders import Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.oauth.exchanging import Actors, actors


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


def test_an_operator_lists_and_ends_them(acting: Actors, admin: AdminApi):
    acting.chain(acting.sign_in().token)
    path = f"/users/{acting.user_id}/delegations"
    (first, *_) = admin.get(path).json()["items"]
    until = first.pop("expires_at")
    assert until.endswith("Z")
    assert tuple(first.values()) == ("agent", "archive", "app", "my-os")
    assert admin.delete(f"{path}/agent").status_code == 204
    assert acting.delegations() == []
    assert problem(admin.delete(f"{path}/agent")) == (404, "not-found")
    assert problem(admin.get("/users/nobody/delegations")) == (404, "not-found")


def test_only_an_admin_stops_who_acts_for_a_user_with_rights_at_the_issuer(
    acting: Actors, holder_of: Callable[..., AdminApi]
):
    operator = holder_of("issuer:users:write")
    path = f"/users/{acting.user_id}/delegations/agent"
    bob = acting.deployment.user("bob", roles=["runner"])
    acting.by_agent(acting.endpoint.password(acting.app, "bob").token)
    assert operator.delete(f"/users/{bob}/delegations/agent").status_code == 204
    acting.deployment.role("keys", ["issuer:keys:read"])
    acting.assign("keys", acting.user_id)
    acting.by_agent(acting.sign_in().token)
    assert problem(operator.delete(path)) == (403, "forbidden")
    assert len(acting.delegations()) == 1
