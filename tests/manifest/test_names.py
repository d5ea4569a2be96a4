"""Who is who, in the file and in the house."""

import pytest

from issuer.manifest import InvalidManifest, plan, read
from tests.builders import OPERATOR, Deployment
from tests.manifest.declaring import declare, planned


def test_a_user_without_an_id_is_the_one_of_that_name(deployment: Deployment):
    deployment.user("Zoë", id="zoe")
    assert not planned(deployment.services, "users: [{username: Zoë}]")
    assert list(planned(deployment.services, "users: [{username: zoË}]").lines()) == [
        "~ update user Zoë (zoe)",
        '    username: "Zoë" → "zoË"',
    ]


def test_names_can_go_round(deployment: Deployment):
    """In an order in which no name is ever taken twice, over a name aside where there is none."""
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


def test_a_name_that_is_freed_can_be_given_to_a_new_user(deployment: Deployment):
    deployment.user("alice", id="usr_1")
    text = "users: [{id: usr_1, username: bob}, {username: alice}]"
    assert set(declare(deployment.services, text).user_ids) == {"alice"}
    assert not planned(deployment.services, text)


def test_an_id_that_is_freed_can_change_hands(deployment: Deployment):
    """Client to user, and one case to another: deleted first, so nothing old comes back."""
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


def test_names_taken_in_the_house_are_said_with_their_lines(deployment: Deployment):
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
        plan(work, read(text, "house.yaml"))
    assert str(refused.value).splitlines() == [
        "house.yaml:2: clients[0].client_id: is taken by the client ci-bot in the house",
        "house.yaml:4: users[0].id: is taken by the client helper in the house",
        "house.yaml:7: users[1].username: is taken by the user alice (usr_1) in the house",
        "house.yaml:10: users[2].roles[0].audience: there is no audience 'nowhere',"
        " here or in the house",
        "house.yaml:10: users[2].roles[0].role: there is no role 'none', here or in the house",
    ]


def test_an_algorithm_the_house_does_not_sign_with_is_a_problem_of_the_file(deployment: Deployment):
    with pytest.raises(InvalidManifest) as refused:
        planned(deployment.services, "audiences:\n  - id: my-os\n    signing_alg: RS256\n")
    assert str(refused.value) == (
        "house.yaml:3: audiences[0].signing_alg: is not one of ISSUER_SIGNING_ALGORITHMS"
    )


def test_what_is_referred_to_is_here_or_in_the_house_and_stays(deployment: Deployment):
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
