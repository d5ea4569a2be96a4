"""An audience that is deleted takes its tokens with it, also when its id is used again."""

from collections.abc import Callable

import jwt
import pytest

from issuer.agentos.key_set import read_key_set
from issuer.agentos.revocations import Revocations
from issuer.agentos.rules import TokenRules, read_unverified
from issuer.agentos.signed_feed import read_feed
from tests.builders import URL, Credentials, House
from tests.drivers import AdminApi, TokenEndpoint
from tests.manifest.declaring import declare
from tests.revocations.feed import PATH

Delete = Callable[[House, AdminApi], None]


def over_http(_: House, admin: AdminApi) -> None:
    assert admin.delete("/audiences/my-os").status_code == 409
    answer = admin.delete("/audiences/my-os", params={"cascade": "true"})
    assert answer.status_code == 204


def once_nobody_uses_it(_: House, admin: AdminApi) -> None:
    admin.patch("/clients/web", audiences=[])
    assert admin.delete("/audiences/my-os").status_code == 204


def by_a_file(house: House, admin: AdminApi) -> None:
    admin.patch("/clients/web", audiences=[])
    declare(house.services, "audiences: []", prune=True)


@pytest.fixture
def admin(house: House, token_endpoint: TokenEndpoint) -> AdminApi:
    return AdminApi(house.http, token_endpoint.client_credentials(house.admin).token)


@pytest.fixture
def web(house: House) -> Credentials:
    house.audience("other-os")
    return house.client("web", audiences=["my-os"], grant_types=["client_credentials", "password"])


def verifier_refuses(house: House, token: str) -> bool:
    """What an AgentOS says that has read the feed just now."""
    keys = read_key_set(house.http.get("/.well-known/jwks.json").content, ["ES256"])
    feed, now = house.http.get(PATH).content, house.clock().timestamp()
    revocations = read_feed(feed, keys, Revocations(), TokenRules(URL, "my-os"), now)
    unverified = read_unverified(token)
    try:
        revocations.refuse(unverified.kid or "", unverified.claims)
    except jwt.InvalidTokenError:
        return True
    return False


@pytest.mark.parametrize("delete", [over_http, once_nobody_uses_it, by_a_file])
def test_its_tokens_stay_dead_and_new_ones_live(
    house: House, token_endpoint: TokenEndpoint, web: Credentials, admin: AdminApi, delete: Delete
):
    """CONTRACT §3."""
    house.user("alice")
    old = [
        token_endpoint.client_credentials(web).token,
        token_endpoint.password(web, "alice").token,
    ]
    assert all(token_endpoint.introspect(web, token)["active"] for token in old)
    delete(house, admin)
    assert all(verifier_refuses(house, token) for token in old)
    assert admin.post("/audiences", id="my-os").status_code == 201
    assert admin.patch("/clients/web", audiences=["my-os"]).status_code == 200
    for token in old:
        assert token_endpoint.introspect(web, token) == {"active": False}
        assert verifier_refuses(house, token)
    new = token_endpoint.client_credentials(web).token
    assert token_endpoint.introspect(web, new)["active"]
    assert not verifier_refuses(house, new)


def test_the_tokens_for_other_audiences_live_on(
    house: House, token_endpoint: TokenEndpoint, web: Credentials, admin: AdminApi
):
    admin.patch("/clients/web", audiences=["my-os", "other-os"])
    other = token_endpoint.client_credentials(web, audience="other-os").token
    over_http(house, admin)
    assert token_endpoint.introspect(web, other)["active"]
    assert not verifier_refuses(house, other)


def test_an_audience_that_is_not_deleted_after_all_keeps_its_tokens(
    house: House, token_endpoint: TokenEndpoint, web: Credentials, admin: AdminApi
):
    token = token_endpoint.client_credentials(web).token
    assert admin.delete("/audiences/my-os").status_code == 409
    assert not verifier_refuses(house, token)
