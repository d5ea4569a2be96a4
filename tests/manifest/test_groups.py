"""Groups in a manifest: their members by user name, their roles, and what that gives to whom."""

import pytest
import yaml

from issuer.errors import InUse
from issuer.groups import GroupFields
from issuer.manifest import InvalidManifest
from tests.builders import Deployment
from tests.manifest import declaring
from tests.manifest.declaring import declare, exported, planned, steps

ROLES = "roles:\n- {name: web, scopes: [agents:web:run]}\n- {name: read, scopes: [agents:read]}\n"
USERS = "users:\n- username: alice\n- username: bob\n"
PLATFORM = """\
groups:
- name: Platform
  description: Runs the servers
  members: [bob, ALICE, bob]
  roles:
  - {role: web, audience: my-os}
"""


def sentences(deployment: Deployment, text: str, *, prune: bool = False) -> list[str]:
    """Those about rights, by user: the ids are random."""
    return sorted(declaring.sentences(deployment, text, prune=prune))


def members(deployment: Deployment, name: str = "Platform") -> list[str]:
    with deployment.services.administration.reading() as work:
        group = work.groups.get_by_name(name)
        return sorted(each.username for each in work.groups.members(group.id, None, 100))


def section(deployment: Deployment) -> list[dict[str, object]]:
    """The groups of an export, without ids."""
    groups = yaml.safe_load(exported(deployment.services))["groups"]
    return [{name: each[name] for name in each if name != "id"} for each in groups]


def test_a_group_is_created_with_new_members_and_roles(deployment: Deployment):
    text = ROLES + USERS + PLATFORM
    assert steps(deployment, text)[-4:] == [
        "+ create group Platform",
        "+ assign role web at my-os to group Platform",
        "+ add user alice to group Platform",
        "+ add user bob to group Platform",
    ]
    assert sentences(deployment, text) == [
        "alice gains agents:web:run at my-os",
        "bob gains agents:web:run at my-os",
    ]
    declare(deployment.services, text)
    assert members(deployment) == ["alice", "bob"]
    assert not planned(deployment.services, text)
    assert section(deployment) == [
        {
            "name": "Platform",
            "description": "Runs the servers",
            "members": ["alice", "bob"],
            "roles": [{"role": "web", "audience": "my-os"}],
        }
    ]
    assert not planned(deployment.services, exported(deployment.services), prune=True)


def test_members_and_external_ids_of_provisioning_clients_stay(deployment: Deployment):
    """An entry that does not name them declares roles alone."""
    declare(deployment.services, ROLES + USERS + PLATFORM)
    with deployment.changing() as work:
        group = work.groups.get_by_name("Platform")
        work.groups.update(group.id, {"external_id": "42"})
    text = "groups:\n- {name: platform, roles: [{role: read}]}\n"
    assert sentences(deployment, text) == [
        "alice gains agents:read at my-os",
        "alice loses agents:web:run at my-os",
        "bob gains agents:read at my-os",
        "bob loses agents:web:run at my-os",
    ]
    declare(deployment.services, text)
    assert members(deployment) == ["alice", "bob"]
    assert section(deployment)[0]["external_id"] == "42"
    declare(deployment.services, "groups:\n- {name: Platform, external_id: null}\n")
    assert "external_id" not in section(deployment)[0]


def test_no_members_are_declared_by_an_empty_list(deployment: Deployment):
    declare(deployment.services, ROLES + USERS + PLATFORM)
    text = "groups:\n- {name: Platform, members: [], roles: [{role: web, audience: my-os}]}\n"
    assert [each.partition(" (")[0] for each in steps(deployment, text)] == [
        "~ update group Platform",
        "- remove user alice",
        "- remove user bob",
    ]
    assert sentences(deployment, text) == [
        "alice loses agents:web:run at my-os",
        "bob loses agents:web:run at my-os",
    ]
    declare(deployment.services, text)
    assert members(deployment) == []
    assert section(deployment)[0]["members"] == [], "so that it has none where this is applied"


def test_a_changed_role_names_the_members_who_gain(deployment: Deployment):
    """Whether or not the manifest declares the group."""
    declare(deployment.services, ROLES + USERS + PLATFORM)
    text = "roles:\n- {name: web, scopes: [agents:web:run, agents:read]}\n"
    said = ["alice gains agents:read at my-os", "bob gains agents:read at my-os"]
    assert sentences(deployment, text) == said
    assert sentences(deployment, text + PLATFORM) == said


def test_what_a_user_holds_otherwise_is_no_loss(deployment: Deployment):
    declare(deployment.services, ROLES + USERS + PLATFORM)
    with deployment.changing() as work:
        other = work.groups.create(GroupFields(name="Others"))
        alice = work.users.get_by_username("alice").id
        work.groups.add_members(other.id, [alice])
    declare(
        deployment.services, "groups:\n- {name: others, roles: [{role: web, audience: my-os}]}\n"
    )
    text = "groups:\n- {name: Platform, members: []}\n"
    assert sentences(deployment, text) == ["bob loses agents:web:run at my-os"]


def test_a_pruned_group_takes_its_roles_and_a_pruned_user_leaves(deployment: Deployment):
    declare(deployment.services, ROLES + USERS + PLATFORM)
    with deployment.services.administration.reading() as work:
        bob = work.users.get_by_username("bob").id
    text = "users:\n- username: bob\n"
    assert steps(deployment, text, prune=True)[0].startswith("- delete user alice")
    assert len(steps(deployment, text, prune=True)) == 1
    assert sentences(deployment, "groups: []\n", prune=True) == [
        "alice loses agents:web:run at my-os",
        "bob loses agents:web:run at my-os",
    ]
    declare(deployment.services, text + PLATFORM.replace(", ALICE", ""), prune=True)
    assert members(deployment) == ["bob"]
    declare(deployment.services, "groups: []\n", prune=True)
    with deployment.services.administration.reading() as work:
        assert work.groups.of_user(bob) == []


def test_members_are_named_as_users_will_be_called(deployment: Deployment):
    """A renamed user has the new name, and a new one may have the old."""
    declare(deployment.services, ROLES + USERS)
    with deployment.services.administration.reading() as work:
        alice = work.users.get_by_username("alice").id
    renamed = f"users:\n- {{id: {alice}, username: carol}}\n"
    with pytest.raises(InvalidManifest, match="there is no user 'ALICE'"):
        planned(deployment.services, renamed + PLATFORM)
    text = renamed + "- username: alice\n" + PLATFORM.replace("bob", "carol")
    declare(deployment.services, text)
    assert members(deployment) == ["alice", "carol"]
    with deployment.services.administration.reading() as work:
        group = work.groups.get_by_name("Platform")
        assert work.groups.member(group.id, alice).username == "carol"
        assert [each.name for each in work.groups.of_user(alice)] == ["Platform"]


def test_two_groups_can_swap_their_names(deployment: Deployment):
    deployment.group("a", id="first")
    deployment.group("b", id="second")
    declare(deployment.services, "groups:\n- {id: first, name: b}\n- {id: second, name: a}\n")
    with deployment.services.administration.reading() as work:
        assert [work.groups.get(each).name for each in ("first", "second")] == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("groups:\n- {name: a}\n- {name: A}\n", r"groups\[1\].name: is taken by groups\[0\].name"),
        (
            "groups:\n- {name: a, members: [nobody]}\n",
            r"groups\[0\].members\[0\]: there is no user",
        ),
        ("groups:\n- {name: a, roles: [{role: none}]}\n", r"there is no role 'none'"),
        ("groups:\n- {name: a, member: [x]}\n", "did you mean members"),
        ("groups:\n- {id: issuer-admin, name: a}\n", "issuer-admin"),
        ("groups:\n- {name: a, members: ['']}\n", r"members\[0\]"),
    ],
)
def test_a_group_that_cannot_be_is_an_error_at_its_line(
    deployment: Deployment, text: str, message: str
):
    with pytest.raises(InvalidManifest, match=message):
        planned(deployment.services, text)


def test_a_group_that_stays_keeps_its_role(deployment: Deployment):
    declare(deployment.services, ROLES + USERS + PLATFORM)
    with pytest.raises(InUse, match="group Platform"):
        planned(deployment.services, "roles: []\n", prune=True)
