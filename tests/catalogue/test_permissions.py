"""The words of a consent page."""

import pytest

from issuer.catalogue import scopes
from issuer.catalogue.permissions import in_words


def lines(*held: str) -> list[str]:
    return [
        f"{group.title}: {' '.join([each.text, *each.ids])}"
        for group in in_words(held)
        for each in group.permissions
    ]


def test_actions_at_one_resource_are_one_line():
    assert lines("agents:run", "agents:read", "sessions:read", "sessions:write") == [
        "Agents: Run and see all agents",
        "Data: See, add and change all sessions and their messages",
    ]


def test_ids_with_the_same_actions_are_one_line():
    assert lines("agents:b:run", "agents:a:run", "agents:c:run", "agents:c:read") == [
        "Agents: Run the agents a b",
        "Agents: Run and see the agent c",
    ]


def test_an_id_adds_nothing_to_what_is_allowed_for_all():
    assert lines("teams:run", "teams:x:run") == ["Teams: Run all teams"]
    assert lines("teams:*:run", "teams:x:read") == [
        "Teams: Run all teams",
        "Teams: See the team x",
    ]


def test_the_old_name_of_a_scope_reads_like_the_new_one():
    assert lines("system:read") == lines("config:read")


@pytest.mark.parametrize("scope", ["invoices:approve", "deploy", "agents:web:train", "a:b:c"])
def test_a_scope_of_somebody_else_stands_as_it_is(scope: str):
    assert lines(scope) == [f"Other: Use the permission {scope}"]


@pytest.mark.parametrize("scope", [entry.scope for entry in scopes()])
def test_every_scope_of_agentos_has_words(scope: str):
    (line,) = lines(scope)
    assert ":" not in line.partition(": ")[2]
    assert not line.startswith("Other")


@pytest.mark.parametrize("entry", [e for e in scopes() if e.powerful], ids=lambda e: e.scope)
def test_a_powerful_scope_has_a_warning(entry):
    ((group),) = in_words([entry.scope])
    assert group.permissions[0].warning


def test_everything_comes_first():
    assert [group.title for group in in_words(["x", "wiki:read", "agent_os:admin"])] == [
        "Everything",
        "Company mode",
        "Other",
    ]
