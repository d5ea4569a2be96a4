"""Resources that are not in the manifest."""

import pytest

from issuer.errors import InUse
from tests.builders import URL, Deployment
from tests.manifest.declaring import MANIFEST, declare, planned, steps


def test_declared_resources_match_exactly_and_others_are_unchanged(deployment: Deployment):
    declare(deployment.services, MANIFEST)
    deployment.client("other", roles=["runner"])
    assert steps(deployment, "clients: [{client_id: ci-bot}]") == [
        "~ update client ci-bot",
        "- unassign role runner at prod-os from client ci-bot",
    ]


def test_prune_deletes_resources_that_are_not_declared(deployment: Deployment):
    alice = declare(deployment.services, MANIFEST).user_ids["alice"]
    rest = f"""\
audiences: []
roles: []
clients: [{{client_id: issuer-admin, name: Administrator, scopes: [issuer:admin],
  audiences: ["{URL}"]}}]
users: []
"""
    assert list(planned(deployment.services, rest, prune=True).lines()) == [
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
    declare(deployment.services, rest, prune=True)
    assert not planned(deployment.services, rest, prune=True)


def test_prune_does_not_touch_a_missing_section(deployment: Deployment):
    declare(deployment.services, MANIFEST)
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
def test_a_resource_that_an_unchanged_one_uses_is_not_pruned(
    deployment: Deployment, text: str, users_of_it: str
):
    declare(deployment.services, MANIFEST)
    with pytest.raises(InUse) as refused:
        planned(deployment.services, text, prune=True)
    assert users_of_it in str(refused.value).replace(f" ({alice_of(deployment)})", "")


def alice_of(deployment: Deployment) -> str:
    with deployment.changing() as work:
        return work.users.get_by_username("alice").id
