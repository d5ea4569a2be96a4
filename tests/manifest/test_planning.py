"""A plan lists changes and makes none."""

import json

import pytest

from issuer.roles import Assignment
from tests.builders import Deployment
from tests.manifest.declaring import MANIFEST, declare, exported, planned, sentences, steps


def test_a_plan_lists_new_resources_and_their_rights(deployment: Deployment):
    before = exported(deployment.services)
    assert list(planned(deployment.services, MANIFEST).lines()) == [
        "+ create audience dev-os",
        '    signing_alg: "ES256"',
        "+ create audience prod-os",
        '    signing_alg: "ES256"',
        "+ create role runner",
        '    scopes: ["agents:run"]',
        "+ create client ci-bot",
        '    audiences: ["dev-os", "prod-os"]',
        "+ create user alice",
        "+ assign role runner at prod-os to client ci-bot",
        "+ assign role runner everywhere to user alice",
        "ci-bot gains agents:run at prod-os",
        "alice gains agents:run at dev-os",
        "alice gains agents:run at my-os",
        "alice gains agents:run at prod-os",
    ]
    assert exported(deployment.services) == before


def test_an_entry_that_does_not_speak_of_a_verified_address_leaves_it(deployment: Deployment):
    """An invitation may have verified it."""
    alice = deployment.user("alice", email="alice@example.com", email_verified=True)
    entry = "users: [{username: alice, email: alice@example.com%s}]"
    assert not planned(deployment.services, entry % "").steps
    declare(deployment.services, entry % ", email_verified: false")
    declare(deployment.services, entry % ", email_verified: true")
    assert "email_verified: true" in exported(deployment.services)
    declare(deployment.services, "users: [{username: alice, email: alice@example.org}]")
    with deployment.services.administration.reading() as work:
        assert not work.users.get(alice).email_verified


def test_a_plan_lists_changed_members(deployment: Deployment):
    alice = declare(deployment.services, MANIFEST).user_ids["alice"]
    changed = (
        MANIFEST.replace("[agents:run]", "[agents:web:run, teams:run]")
        .replace("username: alice", f'id: {alice}\n    username: "Alice\\u0301"\n    name: A')
        .replace("[dev-os, prod-os]", "[prod-os]\n    access_token_ttl: 60")
        .replace("    roles:\n      - role: runner\n", "")
    )
    assert list(planned(deployment.services, changed).lines()) == [
        "~ update role runner",
        '    scopes: ["agents:run"] → ["agents:web:run", "teams:run"]',
        "~ update client ci-bot",
        '    audiences: ["dev-os", "prod-os"] → ["prod-os"]',
        "    access_token_ttl: null → 60",
        f"~ update user alice ({alice})",
        '    username: "alice" → "Alic\u00e9"',
        '    name: "" → "A"',
        f"- unassign role runner everywhere from user alice ({alice})",
        "ci-bot gains teams:run at prod-os",
        "ci-bot loses agents:run at prod-os",
        "alice loses agents:run at dev-os",
        "alice loses agents:run at my-os",
        "alice loses agents:run at prod-os",
    ]


def test_a_plan_is_json_with_stable_names(deployment: Deployment):
    declare(deployment.services, MANIFEST)
    found = planned(deployment.services, MANIFEST.replace("agents:run", "teams:run"))
    alice = found.as_json()["rights"][1]["id"]
    assert json.loads(json.dumps(found.as_json())) == {
        "change_count": found.change_count,
        "changes": [
            {
                "action": "update",
                "kind": "role",
                "id": "runner",
                "before": {"scopes": ["agents:run"]},
                "after": {"scopes": ["teams:run"]},
            }
        ],
        "rights": [
            {
                "kind": "client",
                "id": "ci-bot",
                "audience": "prod-os",
                "gains": ["teams:run"],
                "losses": ["agents:run"],
            }
        ]
        + [
            {
                "kind": "user",
                "id": alice,
                "username": "alice",
                "audience": audience,
                "gains": ["teams:run"],
                "losses": ["agents:run"],
            }
            for audience in ("dev-os", "my-os", "prod-os")
        ],
        "credentials": [],
        "members": [],
    }


def test_a_plan_without_changes_is_false(deployment: Deployment):
    declare(deployment.services, MANIFEST)
    for text in (MANIFEST, "{}", "users: []", "clients: [{client_id: ci-bot, audiences: []}]"):
        found = planned(deployment.services, text)
        assert bool(found) is bool(found.steps) is (text.startswith("clients"))
    assert not list(planned(deployment.services, MANIFEST).lines())


def test_order_and_repetition_of_scopes_are_no_change(deployment: Deployment):
    deployment.role("runner", ["teams:run", "agents:run"])
    assert not planned(
        deployment.services, "roles: [{name: runner, scopes: [agents:run, teams:run, agents:run]}]"
    )


def test_a_claim_is_compared_as_json(deployment: Deployment):
    """1, 1.0 and true are three values; null is a value too."""
    deployment.client("ci-bot", audiences=[], claims={"a": {"b": 1}})
    for value in ("{b: 1.0}", "{b: true}", "{b: null}", "{b: 1, c: null}", "null", "{}"):
        text = f"clients: [{{client_id: ci-bot, claims: {{a: {value}}}}}]"
        assert planned(deployment.services, text)
        declare(deployment.services, text)
        assert not planned(deployment.services, text)


def test_a_plan_escapes_control_characters_in_names(deployment: Deployment):
    text = 'users: [{username: ab, claims: {"\\e[31m": "\\e[0m\\n- x\\u202e"}}]'
    lines = list(planned(deployment.services, text).lines())
    assert lines[0] == "+ create user ab"
    assert all(line.isprintable() for line in lines)


def test_repeated_assignments_are_one_and_everywhere_differs_from_an_audience(
    deployment: Deployment,
):
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", roles=["runner"])
    text = """\
clients:
  - client_id: ci-bot
    audiences: [my-os]
    roles: [{role: runner, audience: my-os}, {role: runner, audience: my-os}]
"""
    assert steps(deployment, text) == [
        "- unassign role runner everywhere from client ci-bot",
        "+ assign role runner at my-os to client ci-bot",
    ]
    assert sentences(deployment, text) == []
    declare(deployment.services, text)
    with deployment.changing() as work:
        assert work.assignments.of("ci-bot") == [Assignment(role="runner", audience="my-os")]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,RS256"}])
def test_an_audience_without_an_algorithm_gets_the_first_configured_one(deployment: Deployment):
    deployment.audience("rsa-os", signing_alg="RS256")
    assert not planned(deployment.services, "audiences: [{id: my-os}]")
    assert steps(deployment, "audiences: [{id: rsa-os}]") == ["~ update audience rsa-os"]
    assert "signing_alg: ES256" in exported(deployment.services)
