"""What a file does not name."""

import pytest

from issuer.errors import InUse
from tests.builders import URL, House
from tests.manifest.declaring import HOUSE, declare, planned, steps


def test_what_is_listed_is_exactly_so_and_the_rest_is_left_alone(house: House):
    declare(house.services, HOUSE)
    house.client("other", roles=["runner"])
    assert steps(house, "clients: [{client_id: ci-bot}]") == [
        "~ update client ci-bot",
        "- unassign role runner at prod-os from client ci-bot",
    ]


def test_prune_deletes_what_the_file_does_not_name(house: House):
    alice = declare(house.services, HOUSE).user_ids["alice"]
    kept = f"""\
audiences: []
roles: []
clients: [{{client_id: issuer-admin, name: Administrator, scopes: [issuer:admin],
  audiences: ["{URL}"]}}]
users: []
"""
    assert list(planned(house.services, kept, prune=True).lines()) == [
        "- delete client ci-bot",
        f"- delete user alice ({alice})",
        "- delete role runner",
        "- delete audience dev-os",
        "- delete audience my-os",
        "- delete audience prod-os",
        "ci-bot loses agents:run at prod-os",
        "alice loses agents:run at dev-os",
        "alice loses agents:run at my-os",
        "alice loses agents:run at prod-os",
    ]
    declare(house.services, kept, prune=True)
    assert not planned(house.services, kept, prune=True)


def test_a_section_left_out_is_left_alone_also_when_pruning(house: House):
    declare(house.services, HOUSE)
    assert steps(house, "{}", prune=True) == []
    audiences = "audiences: [{id: dev-os}, {id: prod-os}]"
    assert steps(house, audiences, prune=True) == ["- delete audience my-os"]


@pytest.mark.parametrize(
    ("text", "users_of_it"),
    [
        ("roles: []", "client ci-bot, user alice"),
        ("roles: []\nclients: [{client_id: ci-bot}]", "user alice"),
        ("audiences: [{id: dev-os}]", "client ci-bot"),
    ],
)
def test_what_those_left_alone_still_use_is_not_pruned(house: House, text: str, users_of_it: str):
    declare(house.services, HOUSE)
    with pytest.raises(InUse) as refused:
        planned(house.services, text, prune=True)
    assert users_of_it in str(refused.value).replace(f" ({alice_of(house)})", "")


def alice_of(house: House) -> str:
    with house.changing() as rooms:
        return rooms.users.get_by_username("alice").id
