"""The rules for audiences, on both databases."""

import pytest

from issuer.errors import InUse, InvalidField, NotAllowed
from issuer.roles import Assignment
from tests.builders import URL, House
from tests.drivers import TokenEndpoint


def test_a_new_audience_has_the_first_algorithm_of_the_house(house: House):
    with house.changing() as rooms:
        assert rooms.audiences.get("my-os").signing_alg == "ES256"


def test_an_algorithm_the_house_has_no_keys_for_is_refused(house: House):
    with pytest.raises(InvalidField, match="ISSUER_SIGNING_ALGORITHMS"):
        house.audience("other", signing_alg="RS256")


def test_the_issuers_own_audience_cannot_be_deleted(house: House):
    with pytest.raises(NotAllowed), house.changing() as rooms:
        rooms.audiences.delete(URL, cascade=True)


def test_an_audience_in_use_is_kept_unless_its_users_are_to_lose_it(
    house: House, token_endpoint: TokenEndpoint
):
    house.audience("other-os")
    house.role("runner", ["agents:run"])
    client = house.client("ci-bot", audiences=["my-os", "other-os"])
    with house.changing() as rooms:
        rooms.assignments.give("ci-bot", Assignment(role="runner", audience="other-os"))
    with pytest.raises(InUse) as refused, house.changing() as rooms:
        rooms.audiences.delete("other-os")
    assert refused.value.users_of_it == ["client ci-bot", "an assignment of ci-bot"]
    with house.changing() as rooms:
        rooms.audiences.delete("other-os", cascade=True)
    assert token_endpoint.client_credentials(client).status == 200
    assert token_endpoint.client_credentials(client, audience="other-os").error == "invalid_target"
