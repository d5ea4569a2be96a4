"""`issuer group`: members, roles, and what other commands say about them."""

import pytest

from tests.cli.driver import Cli

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def platform(cli: Cli) -> None:
    """A group of alice and bob, who may run the agent Web at my-os."""
    cli.done("audience", "create", "my-os")
    cli.done("role", "create", "web-runner", "--scope", "agents:web:run")
    for name in ("alice", "bob"):
        cli.done("user", "create", name, "--id", f"id-of-{name}")
    cli.done("group", "create", "Platform", "--id", "platform")
    cli.done("group", "member", "add", "PLATFORM", "alice", "id-of-bob")
    cli.done("group", "role", "assign", "Platform", "web-runner", "--audience", "my-os")


def members(cli: Cli) -> list[str]:
    return [each["username"] for each in cli.json("group", "member", "list", "platform")["items"]]


def test_members_are_added_and_removed_by_id_or_name(cli: Cli, platform: None):
    assert members(cli) == ["alice", "bob"]
    assert "alice" in cli.done("group", "member", "list", "Platform")
    assert cli.json("group", "member", "add", "platform", "alice") == {"added": ["id-of-alice"]}
    unconfirmed = cli("group", "member", "remove", "platform", "bob")
    assert unconfirmed.sentence == (
        "Remove bob from Platform? The access tokens that members have now are revoked; their"
        " applications get new ones. This is what they lose by it: bob loses agents:web:run at"
        " my-os. Add --yes to do it."
    )
    removed = cli.json("group", "member", "remove", "platform", "bob", "--yes")
    assert removed == {"removed": ["id-of-bob"]}
    assert members(cli) == ["alice"]
    again = cli("group", "member", "remove", "platform", "bob", "--yes")
    assert again.sentence == "There is no member 'id-of-bob'."
    unknown = cli("group", "member", "add", "platform", "alcie")
    assert unknown.sentence == "There is no user 'alcie'. Did you mean alice?"
    assert "Did you mean Platform?" in cli("group", "show", "Platfrom").sentence


def test_a_group_is_shown_with_members_and_roles(cli: Cli, platform: None):
    cli.done("user", "create", "Aaron")
    cli.done("group", "member", "add", "platform", "Aaron")
    shown = cli.json("group", "show", "platform")
    assert [each["username"] for each in shown["members"]] == ["Aaron", "alice", "bob"]
    assert shown["roles"] == cli.json("group", "role", "list", "platform")["items"]
    text = " ".join(cli.done("group", "show", "platform").split())
    assert text.endswith("members Aaron, alice, bob roles web-runner at my-os")
    for number in range(30):
        cli.done("user", "create", f"c{number}")
    cli.done("group", "member", "add", "platform", *(f"c{number}" for number in range(30)))
    assert "c22, c23, and 13 more" in cli.done("group", "show", "platform")
    assert len(cli.json("group", "show", "platform")["members"]) == 33
    cli.done("group", "create", "empty")
    assert cli.json("group", "show", "empty")["members"] == []


def test_roles_of_a_user_name_the_group(cli: Cli, platform: None):
    cli.done("user", "role", "assign", "alice", "web-runner", "--everywhere")
    listed = cli.done("user", "role", "list", "alice")
    assert "the group Platform" in listed
    via = {"name": "Platform", "group_id": "platform", "issuer_id": None}
    held = [
        {"role": "web-runner", "audience": None, "expires_at": None, "via": None},
        {"role": "web-runner", "audience": "my-os", "expires_at": None, "via": via},
    ]
    assert cli.json("user", "role", "list", "alice")["items"] == held
    shown = cli.json("user", "show", "alice")
    assert (shown["groups"], shown["roles"]) == (["Platform"], held)
    text = cli.done("user", "show", "alice")
    assert "web-runner everywhere, web-runner at my-os through the group Platform" in text


def test_explain_names_the_group(cli: Cli, platform: None):
    said = cli.done("explain", "alice", "POST", "/agents/web/runs", "--audience", "my-os")
    assert "web-runner, assigned at my-os, through the group Platform." in said


def test_a_group_loses_a_role_and_its_name_can_be_used_again(cli: Cli, platform: None):
    unassign = ["group", "role", "unassign", "platform", "web-runner", "--audience", "my-os"]
    asked = cli(*unassign).sentence
    assert asked.startswith("Unassign web-runner from Platform, at my-os? Platform loses agents:")
    assert "It has 2 members. The access tokens that members have now are revoked;" in asked
    assert (
        "alice loses agents:web:run at my-os. bob loses agents:web:run at my-os. Add --yes" in asked
    )
    cli.done(*unassign, "--yes")
    assert cli.json("user", "role", "list", "alice")["items"] == []
    cli.done("group", "update", "platform", "--name", "Operations")
    cli.done("group", "create", "platform")
    cli.done("group", "delete", "operations")
    assert [each["name"] for each in cli.json("group", "list")["items"]] == ["platform"]
