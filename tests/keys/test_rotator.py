"""Whatever becomes of a key is told to the log, once, by each process (DESIGN §4)."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.builders import House

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def house(house: House) -> House:
    """Only the test looks around."""
    house.services.keys.rotator.stop()
    house.services.tokens.changes.stop()
    return house


def told(house: House, duration: timedelta = timedelta(0)) -> list[tuple[str, str, str | None]]:
    """Event, key and former state of what the log is told when so much time has gone by."""
    with capture_logs() as events:
        house.wait(duration)
    return [line(event) for event in events if event["event"].startswith("key_")]


def line(event: EventDict) -> tuple[str, str, str | None]:
    return event["event"], event["kid"], event.get("was")


def kids(house: House) -> list[str]:
    """Eldest first."""
    keys = sorted(house.services.keys.keyring.keys, key=lambda key: key.activates_at)
    return [key.kid for key in keys]


def test_a_start_is_no_change(house: House):
    assert told(house) == []


def test_a_key_is_announced_signs_retires_and_is_destroyed(house: House):
    said = told(house, timedelta(days=30))
    first, second, third = kids(house)
    assert sorted(said) == [
        ("key_active", second, "announced"),
        ("key_announced", third, None),
        ("key_retired", first, "active"),
    ]
    assert told(house) == []
    assert told(house, timedelta(days=2)) == [("key_destroyed", first, "retired")]


def test_a_revocation_and_who_takes_over_are_told(house: House):
    active, reserve = kids(house)
    with house.changing() as rooms:
        rooms.keys.revoke(active)
    said = told(house)
    assert sorted(said) == [
        ("key_active", reserve, "announced"),
        ("key_announced", kids(house)[-1], None),
        ("key_revoked", active, "active"),
    ]


def test_a_key_that_signs_at_once_is_told_of_twice(house: House):
    """As the first key of an algorithm does, and one made when there was no reserve."""
    before = kids(house)
    with house.changing() as rooms:
        for kid in before:
            rooms.keys.revoke(kid)
    said = told(house)
    (fresh, _) = (kid for kid in kids(house) if kid not in before)
    assert ("key_announced", fresh, None) in said
    assert ("key_active", fresh, "announced") in said
