"""Matching the names in a manifest with existing resources."""

import json
from typing import Any

import pytest

from issuer.manifest import InvalidManifest, plan, read
from tests.builders import OPERATOR, Deployment
from tests.manifest.declaring import declare, planned


def test_a_user_without_an_id_is_found_by_name(deployment: Deployment):
    deployment.user("Zoë", id="zoe")
    assert not planned(deployment.services, "users: [{username: Zoë}]")
    assert list(planned(deployment.services, "users: [{username: zoË}]").lines()) == [
        "~ update user Zoë (zoe)",
        '    username: "Zoë" → "zoË"',
    ]


def test_users_can_exchange_names(deployment: Deployment):
    """In an order without conflicts, through a temporary name in a cycle."""
    for name in ("a", "b", "c", "d", "e"):
        deployment.user(name, id=f"usr_{name}")
    text = "users:" + "".join(
        f"\n  - {{id: usr_{one}, username: {other}, name: was {one}}}"
        for one, other in ("ab", "ba", "cd", "de", "ef")
    )
    declare(deployment.services, text)
    assert not planned(deployment.services, text)
    with deployment.changing() as work:
        names = {user.id: (user.username, user.name) for user in work.users.page(None, 10)}
    assert names == {
        "usr_a": ("b", "was a"),
        "usr_b": ("a", "was b"),
        "usr_c": ("d", "was c"),
        "usr_d": ("e", "was d"),
        "usr_e": ("f", "was e"),
    }


def test_a_freed_name_can_be_used_by_a_new_user(deployment: Deployment):
    deployment.user("alice", id="usr_1")
    text = "users: [{id: usr_1, username: bob}, {username: alice}]"
    assert set(declare(deployment.services, text).user_ids) == {"alice"}
    assert not planned(deployment.services, text)


def test_a_freed_id_can_be_used_by_another_client_or_user(deployment: Deployment):
    """The old one is deleted first, so its assignments do not come back."""
    deployment.role("runner", ["agents:run"])
    deployment.client("ci-bot", roles=["runner"])
    deployment.client("helper")
    deployment.user("alice", id="usr_1")
    text = """\
clients: [{client_id: CI-Bot}, {client_id: issuer-admin, scopes: [issuer:admin],
  audiences: ["https://id.example"]}]
users: [{id: Helper, username: ALICE}]
"""
    assert set(declare(deployment.services, text, prune=True).secrets) == {"CI-Bot"}
    assert not planned(deployment.services, text, prune=True)
    with deployment.changing() as work:
        assert work.assignments.of("CI-Bot") == []


def test_names_taken_at_the_issuer_are_reported_with_their_lines(deployment: Deployment):
    deployment.client("ci-bot")
    deployment.client("helper")
    deployment.user("alice", id="usr_1")
    text = """\
clients:
  - client_id: CI-Bot
users:
  - id: helper
    username: bob
  - id: usr_2
    username: ALICE
  - username: carol
    roles:
      - {role: none, audience: nowhere}
"""
    with (
        pytest.raises(InvalidManifest) as refused,
        deployment.services.administration.reading(OPERATOR) as work,
    ):
        plan(work, read(text, "issuer.yaml"))
    assert str(refused.value).splitlines() == [
        "issuer.yaml:2: clients[0].client_id: is taken by the existing client ci-bot",
        "issuer.yaml:4: users[0].id: is taken by the existing client helper",
        "issuer.yaml:7: users[1].username: is taken by the existing user alice (usr_1)",
        "issuer.yaml:10: users[2].roles[0].audience: there is no audience 'nowhere',"
        " in the manifest or at the issuer",
        "issuer.yaml:10: users[2].roles[0].role: there is no role 'none',"
        " in the manifest or at the issuer",
    ]


def test_an_algorithm_that_is_not_configured_is_a_problem(deployment: Deployment):
    with pytest.raises(InvalidManifest) as refused:
        planned(deployment.services, "audiences:\n  - id: my-os\n    signing_alg: RS256\n")
    assert str(refused.value) == (
        "issuer.yaml:3: audiences[0].signing_alg: is not one of ISSUER_SIGNING_ALGORITHMS"
    )


def test_references_must_be_declared_or_exist_and_not_be_pruned(deployment: Deployment):
    deployment.role("old", [])
    text = """\
roles: [{name: new}]
clients:
  - client_id: ci-bot
    audiences: [my-os, https://id.example, nowhere, 3]
    roles: [{role: new}, {role: old, audience: my-os}, {role: none}]
"""
    with deployment.services.administration.reading(OPERATOR) as work:
        with pytest.raises(InvalidManifest) as refused:
            read(text, work=work)
        assert [problem.path[2:] for problem in refused.value.problems] == [
            ("audiences", 2),
            ("audiences", 3),
            ("roles", 2, "role"),
        ]
        with pytest.raises(InvalidManifest) as refused:
            read(text, work=work, prune=True)
        assert ("roles", 1, "role") in [problem.path[2:] for problem in refused.value.problems]


@pytest.mark.parametrize(
    "manifest",
    [
        {
            "users": [{"username": f"user-{number}"} for number in range(50)],
            "groups": [{"name": "all", "members": [f"uzer-{number}" for number in range(50)]}],
        },
        {"clients": [{"client_id": "ci-bot", **{f"scope{number}": 1 for number in range(50)}}]},
    ],
)
def test_only_the_first_problems_suggest_a_name(deployment: Deployment, manifest: dict[str, Any]):
    with pytest.raises(InvalidManifest) as refused:
        planned(deployment.services, json.dumps(manifest))
    assert len(refused.value.problems) == 50
    assert str(refused.value).casefold().count("did you mean") == 20
