"""`issuer audit`."""

import json

import pytest

from issuer.cli.house import operator
from tests.cli.driver import Cli

# The rooms behind it are tested on both.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def house(cli: Cli) -> Cli:
    cli.done("role", "create", "reader", "--scope", "agents:read")
    cli.done("role", "update", "reader", "--description", "Reads")
    cli.done("user", "create", "alice", "--id", "alice")
    return cli


def test_events_are_listed_newest_first_and_as_many_as_asked(house: Cli):
    actions = [event["action"] for event in house.json("audit", "list")["items"]]
    assert actions[:3] == ["user.created", "role.updated", "role.created"]
    assert len(house.json("audit", "list", "--limit", "2")["items"]) == 2
    assert "role.updated" in house.done("audit", "list")


def test_events_match_everything_given(house: Cli):
    def found(*options: str) -> list[tuple[str, str]]:
        events = house.json("audit", "list", *options)["items"]
        return [(event["action"], event["target"]) for event in events]

    actor = house.json("audit", "list", "--limit", "1")["items"][0]["actor"]
    assert actor.startswith("cli:")
    both = [("role.updated", "reader"), ("role.created", "reader")]
    assert found("--target", "reader") == both
    assert found("--target", "reader", "--actor", actor, "--since", "2020-01-01") == both
    assert found("--target", "reader", "--action", "role.created") == both[1:]
    assert found("--until", "2020-01-01") == []
    assert found("--since", "2099-01-01T00:00:00") == []
    assert house("audit", "list", "--since", "yesterday").status == 2


def test_an_export_is_every_event_on_a_line_of_its_own(house: Cli):
    exported = [json.loads(line) for line in house.done("audit", "export").splitlines()]
    assert exported == house.json("audit", "list", "--limit", "10000")["items"]
    only = house.done("audit", "export", "--target", "alice").splitlines()
    assert [json.loads(line)["action"] for line in only] == ["user.created"]
    assert house.done("audit", "export", "--until", "2020-01-01") == ""


def test_an_export_is_longer_than_a_page(house: Cli):
    with house.services() as services, services.changing(operator()) as rooms:
        for _ in range(1_010):
            rooms.users.update("alice", {"name": "Alice"})
    lines = house.done("audit", "export", "--action", "user.updated").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == 1_010
    assert ids == sorted(set(ids), reverse=True)
    assert len(house.json("audit", "list", "--limit", "700")["items"]) == 700
