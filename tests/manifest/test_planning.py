"""What would change, and who would gain or lose what; nothing changes."""

import json

import pytest

from issuer.errors import InUse
from issuer.manifest import InvalidManifest, plan, read
from issuer.roles import Assignment
from tests.builders import OPERATOR, URL, House
from tests.manifest.declaring import declare, exported, planned

HOUSE = """\
audiences:
  - id: dev-os
  - id: prod-os
roles:
  - name: runner
    scopes: [agents:run]
clients:
  - client_id: ci-bot
    audiences: [dev-os, prod-os]
    roles:
      - {role: runner, audience: prod-os}
users:
  - username: alice
    roles:
      - role: runner
"""


def sentences(house: House, text: str, *, prune: bool = False) -> list[str]:
    """What the plan says of rights."""
    lines = planned(house.services, text, prune=prune).lines()
    return [line for line in lines if " gains " in line or " loses " in line]


def steps(house: House, text: str, *, prune: bool = False) -> list[str]:
    """What the plan does, without members."""
    lines = planned(house.services, text, prune=prune).lines()
    return [line for line in lines if line[0] in "+-~"]


def test_a_plan_says_what_is_made_and_what_it_gives(house: House):
    before = exported(house.services)
    assert list(planned(house.services, HOUSE).lines()) == [
        "+ create audience dev-os",
        '    signing_alg: "ES256"',
        "+ create audience prod-os",
        '    signing_alg: "ES256"',
        "+ create role runner",
        '    scopes: ["agents:run"]',
        "+ create client ci-bot",
        '    audiences: ["dev-os", "prod-os"]',
        "+ create user alice",
        "+ give role runner at prod-os to client ci-bot",
        "+ give role runner everywhere to user alice",
        "ci-bot gains agents:run at prod-os",
        "alice gains agents:run at dev-os",
        "alice gains agents:run at my-os",
        "alice gains agents:run at prod-os",
    ]
    assert exported(house.services) == before


def test_a_plan_says_what_is_changed(house: House):
    alice = declare(house.services, HOUSE).user_ids["alice"]
    changed = (
        HOUSE.replace("[agents:run]", "[agents:web:run, teams:run]")
        .replace("username: alice", f'id: {alice}\n    username: "Alice\\u0301"\n    name: A')
        .replace("[dev-os, prod-os]", "[prod-os]\n    access_token_ttl: 60")
        .replace("    roles:\n      - role: runner\n", "")
    )
    assert list(planned(house.services, changed).lines()) == [
        "~ update role runner",
        '    scopes: ["agents:run"] → ["agents:web:run", "teams:run"]',
        "~ update client ci-bot",
        '    audiences: ["dev-os", "prod-os"] → ["prod-os"]',
        "    access_token_ttl: null → 60",
        f"~ update user alice ({alice})",
        '    username: "alice" → "Alice\u0301"',
        '    name: "" → "A"',
        f"- take role runner everywhere from user alice ({alice})",
        "ci-bot gains teams:run at prod-os",
        "ci-bot loses agents:run at prod-os",
        "alice loses agents:run at dev-os",
        "alice loses agents:run at my-os",
        "alice loses agents:run at prod-os",
    ]


def test_a_plan_is_json_with_stable_names(house: House):
    declare(house.services, HOUSE)
    found = planned(house.services, HOUSE.replace("agents:run", "teams:run"))
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
    }


def test_no_change_is_no_plan(house: House):
    declare(house.services, HOUSE)
    for text in (HOUSE, "{}", "users: []", "clients: [{client_id: ci-bot, audiences: []}]"):
        found = planned(house.services, text)
        assert bool(found) is bool(found.steps) is (text.startswith("clients"))
    assert not list(planned(house.services, HOUSE).lines())


def test_order_and_repeats_of_scopes_are_no_change(house: House):
    house.role("runner", ["teams:run", "agents:run"])
    assert not planned(
        house.services, "roles: [{name: runner, scopes: [agents:run, teams:run, agents:run]}]"
    )


def test_a_claim_is_compared_as_json(house: House):
    """1, 1.0 and true are three values; a null is one, and no absence."""
    house.client("ci-bot", audiences=[], claims={"a": {"b": 1}})
    for value in ("{b: 1.0}", "{b: true}", "{b: null}", "{b: 1, c: null}", "null", "{}"):
        text = f"clients: [{{client_id: ci-bot, claims: {{a: {value}}}}}]"
        assert planned(house.services, text)
        declare(house.services, text)
        assert not planned(house.services, text)


@pytest.mark.parametrize(
    ("held", "given", "expected"),
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
def test_what_was_covered_is_no_gain(house: House, held: str, given: str, expected: list[str]):
    house.client("ci-bot", scopes=[held])
    text = f"clients: [{{client_id: ci-bot, audiences: [my-os], scopes: [{given}]}}]"
    assert sentences(house, text) == [f"ci-bot {each} at my-os" for each in expected]


def test_issuer_scopes_count_at_the_issuer_only(house: House):
    text = f"""\
clients:
  - client_id: helper
    audiences: [my-os, "{URL}"]
    scopes: [issuer:keys:read, agents:run]
"""
    assert sentences(house, text) == [
        f"helper gains issuer:keys:read at {URL}",
        "helper gains agents:run at my-os",
    ]


def test_one_who_is_disabled_has_nothing(house: House):
    house.client("ci-bot", scopes=["agents:run"])
    text = "clients: [{client_id: ci-bot, audiences: [my-os], scopes: [teams:run], disabled: true}]"
    assert sentences(house, text) == ["ci-bot loses agents:run at my-os"]
    declare(house.services, text)
    text = text.replace("true", "false")
    assert sentences(house, text) == ["ci-bot gains teams:run at my-os"]


def test_a_changed_role_moves_the_rights_of_all_who_have_it(house: House):
    """Also of those the file does not name."""
    house.role("runner", ["agents:run"])
    house.client("ci-bot", roles=["runner"])
    house.user("bob", roles=["runner"])
    assert sentences(house, "roles: [{name: runner, scopes: [teams:run]}]") == [
        "ci-bot gains teams:run at my-os",
        "ci-bot loses agents:run at my-os",
        "bob gains teams:run at my-os",
        "bob loses agents:run at my-os",
    ]


def test_a_new_audience_is_one_more_for_those_who_have_a_role_everywhere(house: House):
    house.role("runner", ["agents:run"])
    house.client("ci-bot", roles=["runner"])
    house.user("bob", roles=["runner"])
    assert sentences(house, "audiences: [{id: new-os}]") == ["bob gains agents:run at new-os"]


def test_what_is_listed_is_exactly_so_and_the_rest_is_left_alone(house: House):
    declare(house.services, HOUSE)
    house.client("other", roles=["runner"])
    assert steps(house, "clients: [{client_id: ci-bot}]") == [
        "~ update client ci-bot",
        "- take role runner at prod-os from client ci-bot",
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


def test_a_user_without_an_id_is_the_one_of_that_name(house: House):
    house.user("Zoë", id="zoe")
    assert not planned(house.services, "users: [{username: Zoë}]")
    assert list(planned(house.services, "users: [{username: zoË}]").lines()) == [
        "~ update user Zoë (zoe)",
        '    username: "Zoë" → "zoË"',
    ]


def test_names_can_go_round(house: House):
    """In an order in which no name is ever taken twice, over a name aside where there is none."""
    for name in ("a", "b", "c", "d", "e"):
        house.user(name, id=f"usr_{name}")
    text = "users:" + "".join(
        f"\n  - {{id: usr_{one}, username: {other}, name: was {one}}}"
        for one, other in ("ab", "ba", "cd", "de", "ef")
    )
    declare(house.services, text)
    assert not planned(house.services, text)
    with house.changing() as rooms:
        names = {user.id: (user.username, user.name) for user in rooms.users.page(None, 10)}
    assert names == {
        "usr_a": ("b", "was a"),
        "usr_b": ("a", "was b"),
        "usr_c": ("d", "was c"),
        "usr_d": ("e", "was d"),
        "usr_e": ("f", "was e"),
    }


def test_a_name_that_is_freed_can_be_given_to_a_new_user(house: House):
    house.user("alice", id="usr_1")
    text = "users: [{id: usr_1, username: bob}, {username: alice}]"
    assert set(declare(house.services, text).user_ids) == {"alice"}
    assert not planned(house.services, text)


def test_an_id_that_is_freed_can_change_hands(house: House):
    """Client to user, and one case to another: deleted first, so nothing old comes back."""
    house.role("runner", ["agents:run"])
    house.client("ci-bot", roles=["runner"])
    house.client("helper")
    house.user("alice", id="usr_1")
    text = """\
clients: [{client_id: CI-Bot}, {client_id: issuer-admin, scopes: [issuer:admin],
  audiences: ["https://id.example"]}]
users: [{id: Helper, username: ALICE}]
"""
    assert set(declare(house.services, text, prune=True).secrets) == {"CI-Bot"}
    assert not planned(house.services, text, prune=True)
    with house.changing() as rooms:
        assert rooms.assignments.of("CI-Bot") == []


def test_names_taken_in_the_house_are_said_with_their_lines(house: House):
    house.client("ci-bot")
    house.client("helper")
    house.user("alice", id="usr_1")
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
    with pytest.raises(InvalidManifest) as refused, house.services.reading(OPERATOR) as rooms:
        plan(rooms, read(text, "house.yaml"))
    assert str(refused.value).splitlines() == [
        "house.yaml:2: clients[0].client_id: is taken by the client ci-bot in the house",
        "house.yaml:4: users[0].id: is taken by the client helper in the house",
        "house.yaml:7: users[1].username: is taken by the user alice (usr_1) in the house",
        "house.yaml:10: users[2].roles[0].audience: there is no audience 'nowhere',"
        " here or in the house",
        "house.yaml:10: users[2].roles[0].role: there is no role 'none', here or in the house",
    ]


def test_an_algorithm_the_house_does_not_sign_with_is_a_problem_of_the_file(house: House):
    with pytest.raises(InvalidManifest) as refused:
        planned(house.services, "audiences:\n  - id: my-os\n    signing_alg: RS256\n")
    assert str(refused.value) == (
        "house.yaml:3: audiences[0].signing_alg: is not one of ISSUER_SIGNING_ALGORITHMS"
    )


def test_what_is_referred_to_is_here_or_in_the_house_and_stays(house: House):
    house.role("old", [])
    text = """\
roles: [{name: new}]
clients:
  - client_id: ci-bot
    audiences: [my-os, https://id.example, nowhere, 3]
    roles: [{role: new}, {role: old, audience: my-os}, {role: none}]
"""
    with house.services.reading(OPERATOR) as rooms:
        with pytest.raises(InvalidManifest) as refused:
            read(text, rooms=rooms)
        assert [problem.path[2:] for problem in refused.value.problems] == [
            ("audiences", 2),
            ("audiences", 3),
            ("roles", 2, "role"),
        ]
        with pytest.raises(InvalidManifest) as refused:
            read(text, rooms=rooms, prune=True)
        assert ("roles", 1, "role") in [problem.path[2:] for problem in refused.value.problems]


def test_a_plan_does_not_obey_what_names_say_to_terminals(house: House):
    text = 'users: [{username: "a\\u202eb", claims: {"\\e[31m": "\\e[0m\\n- x"}}]'
    lines = list(planned(house.services, text).lines())
    assert lines[0] == "+ create user a\\u202eb"
    assert all(line.isprintable() for line in lines)


def test_assignments_count_once_and_everywhere_is_not_here(house: House):
    house.role("runner", ["agents:run"])
    house.client("ci-bot", roles=["runner"])
    text = """\
clients:
  - client_id: ci-bot
    audiences: [my-os]
    roles: [{role: runner, audience: my-os}, {role: runner, audience: my-os}]
"""
    assert steps(house, text) == [
        "- take role runner everywhere from client ci-bot",
        "+ give role runner at my-os to client ci-bot",
    ]
    assert sentences(house, text) == []
    declare(house.services, text)
    with house.changing() as rooms:
        assert rooms.assignments.of("ci-bot") == [Assignment(role="runner", audience="my-os")]


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,RS256"}])
def test_an_audience_that_does_not_say_how_it_signs_does_as_the_house(house: House):
    house.audience("rsa-os", signing_alg="RS256")
    assert not planned(house.services, "audiences: [{id: my-os}]")
    assert steps(house, "audiences: [{id: rsa-os}]") == ["~ update audience rsa-os"]
    assert "signing_alg: ES256" in exported(house.services)
