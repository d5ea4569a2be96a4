"""The scopes that clients and users would gain or lose, by audience."""

import pytest

from tests.builders import URL, Deployment
from tests.manifest.declaring import declare, sentences


@pytest.mark.parametrize(
    ("held", "declared", "expected"),
    [
        ("agents:run", "agents:run, agents:web:run", []),
        ("agents:run", "agents:*:run", []),
        ("system:read", "config:read", []),
        ("agent_os:admin", "agents:run", ["loses agent_os:admin"]),
        ("agents:web:run", "agents:run", ["gains agents:run"]),
        ("agents:run", "agents:web:run", ["loses agents:run"]),
        ("agents:run", "agent_os:admin", ["gains agent_os:admin"]),
        ("agents:run", "issuer:keys:read, agents:run", []),
    ],
)
def test_a_scope_covered_before_is_no_gain(
    deployment: Deployment, held: str, declared: str, expected: list[str]
):
    deployment.client("ci-bot", scopes=[held])
    text = f"clients: [{{client_id: ci-bot, audiences: [my-os], scopes: [{declared}]}}]"
    assert sentences(deployment, text) == [f"ci-bot {each} at my-os" for each in expected]


def test_issuer_scopes_count_at_the_issuer_only(deployment: Deployment):
    text = f"""\
clients:
  - client_id: helper
    audiences: [my-os, "{URL}"]
    scopes: [issuer:keys:read, agents:run]
"""
    assert sentences(deployment, text) == [
        f"helper gains issuer:keys:read at {URL}",
        "helper gains agents:run at my-os",
    ]


def test_a_disabled_client_has_no_scopes(deployment: Deployment):
    deployment.client("ci-bot", scopes=["agents:run"])
    text = "clients: [{client_id: ci-bot, audiences: [my-os], scopes: [teams:run], disabled: true}]"
    assert sentences(deployment, text) == ["ci-bot loses agents:run at my-os"]
    declare(deployment.services, text)
    text = text.replace("true", "false")
    assert sentences(deployment, text) == ["ci-bot gains teams:run at my-os"]


def test_a_changed_role_changes_the_rights_of_all_its_holders(deployment: Deployment):
    """Also of those that are not in the manifest."""
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", roles=["runner"])
    deployment.user("bob", roles=["runner"])
    assert sentences(deployment, "roles: [{name: runner, scopes: [teams:run]}]") == [
        "ci-bot gains teams:run at my-os",
        "ci-bot loses agents:run at my-os",
        "bob gains teams:run at my-os",
        "bob loses agents:run at my-os",
    ]


def test_a_role_assigned_everywhere_also_applies_at_a_new_audience(deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", roles=["runner"])
    deployment.user("bob", roles=["runner"])
    assert sentences(deployment, "audiences: [{id: new-os}]") == ["bob gains agents:run at new-os"]
