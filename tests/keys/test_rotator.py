"""Whatever becomes of a key is told to the log, once, by each process (DESIGN §4)."""

from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from tests.builders import Deployment

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """Only the test looks around."""
    deployment.services.keys.rotator.stop()
    deployment.services.tokens.changes.stop()
    return deployment


def told(
    deployment: Deployment, duration: timedelta = timedelta(0)
) -> list[tuple[str, str, str | None]]:
    """Event, key and former state of what the log is told when so much time has gone by."""
    with capture_logs() as events:
        deployment.wait(duration)
    return [line(event) for event in events if event["event"].startswith("key_")]


def line(event: EventDict) -> tuple[str, str, str | None]:
    return event["event"], event["kid"], event.get("was")


def kids(deployment: Deployment) -> list[str]:
    """Eldest first."""
    keys = sorted(deployment.services.keys.keyring.keys, key=lambda key: key.activates_at)
    return [key.kid for key in keys]


def test_a_start_is_no_change(deployment: Deployment):
    assert told(deployment) == []


def test_a_key_is_announced_signs_retires_and_is_destroyed(deployment: Deployment):
    said = told(deployment, timedelta(days=30))
    first, second, third = kids(deployment)
    assert sorted(said) == [
        ("key_active", second, "announced"),
        ("key_announced", third, None),
        ("key_retired", first, "active"),
    ]
    assert told(deployment) == []
    assert told(deployment, timedelta(days=2)) == [("key_destroyed", first, "retired")]


def test_a_revocation_and_who_takes_over_are_told(deployment: Deployment):
    active, next_key = kids(deployment)
    with deployment.changing() as work:
        work.keys.revoke(active)
    said = told(deployment)
    assert sorted(said) == [
        ("key_active", next_key, "announced"),
        ("key_announced", kids(deployment)[-1], None),
        ("key_revoked", active, "active"),
    ]


def test_a_key_that_signs_at_once_is_told_of_twice(deployment: Deployment):
    """As the first key of an algorithm does, and one made when there was no reserve."""
    before = kids(deployment)
    with deployment.changing() as work:
        for kid in before:
            work.keys.revoke(kid)
    said = told(deployment)
    (fresh, _) = (kid for kid in kids(deployment) if kid not in before)
    assert ("key_announced", fresh, None) in said
    assert ("key_active", fresh, "announced") in said
