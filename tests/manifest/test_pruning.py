"""What a file does not name."""

import pytest

from issuer.errors import InUse
from tests.builders import URL, Deployment
from tests.manifest.declaring import HOUSE, declare, planned, steps


def test_what_is_listed_is_exactly_so_and_the_rest_is_left_alone(deployment: Deployment):
    declare(deployment.services, HOUSE)
    deployment.client("other", roles=["runner"])
    assert steps(deployment, "clients: [{client_id: ci-bot}]") == [
        "~ update client ci-bot",
        "- unassign role runner at prod-os from client ci-bot",
    ]


def test_prune_deletes_what_the_file_does_not_name(deployment: Deployment):
    alice = declare(deployment.services, HOUSE).user_ids["alice"]
    kept = f"""\
audiences: []
roles: []
clients: [{{client_id: issuer-admin, name: Administrator, scopes: [issuer:admin],
  audiences: ["{URL}"]}}]
users: []
"""
    assert list(planned(deployment.services, kept, prune=True).lines()) == [
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
    declare(deployment.services, kept, prune=True)
    assert not planned(deployment.services, kept, prune=True)


def test_a_section_left_out_is_left_alone_also_when_pruning(deployment: Deployment):
    declare(deployment.services, HOUSE)
    assert steps(deployment, "{}", prune=True) == []
    audiences = "audiences: [{id: dev-os}, {id: prod-os}]"
    assert steps(deployment, audiences, prune=True) == ["- delete audience my-os"]


@pytest.mark.parametrize(
    ("text", "users_of_it"),
    [
        ("roles: []", "client ci-bot, user alice"),
        ("roles: []\nclients: [{client_id: ci-bot}]", "user alice"),
        ("audiences: [{id: dev-os}]", "client ci-bot"),
    ],
)
def test_what_those_left_alone_still_use_is_not_pruned(
    deployment: Deployment, text: str, users_of_it: str
):
    declare(deployment.services, HOUSE)
    with pytest.raises(InUse) as refused:
        planned(deployment.services, text, prune=True)
    assert users_of_it in str(refused.value).replace(f" ({alice_of(deployment)})", "")


def alice_of(deployment: Deployment) -> str:
    with deployment.changing() as work:
        return work.users.get_by_username("alice").id
