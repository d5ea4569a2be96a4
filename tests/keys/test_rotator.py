"""Each process logs every change of a key's state once."""

from datetime import timedelta
from typing import Any

import pytest

from tests.builders import Deployment
from tests.captured_logs import capture_logs

pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """Without background threads: only the test runs the rotator."""
    deployment.services.keys.rotator.stop()
    deployment.services.tokens.changes.stop()
    return deployment


def logged(
    deployment: Deployment, duration: timedelta = timedelta(0)
) -> list[tuple[str, str, str | None]]:
    """Event, key and former state of the log lines about keys after `duration`."""
    with capture_logs() as events:
        deployment.wait(duration)
    return [line(event) for event in events if event["event"].startswith("key_")]


def line(event: dict[str, Any]) -> tuple[str, str, str | None]:
    return event["event"], event["kid"], event.get("was")


def kids(deployment: Deployment) -> list[str]:
    """Oldest first."""
    keys = sorted(deployment.services.keys.keyring.keys, key=lambda key: key.activates_at)
    return [key.kid for key in keys]


def test_a_start_logs_no_change(deployment: Deployment):
    assert logged(deployment) == []


def test_each_state_of_a_key_is_logged(deployment: Deployment):
    lines = logged(deployment, timedelta(days=30))
    first, second, third = kids(deployment)
    assert sorted(lines) == [
        ("key_active", second, "announced"),
        ("key_announced", third, None),
        ("key_retired", first, "active"),
    ]
    assert logged(deployment) == []
    assert logged(deployment, timedelta(days=2)) == [("key_destroyed", first, "retired")]


def test_a_revocation_and_the_next_active_key_are_logged(deployment: Deployment):
    active, next_key = kids(deployment)
    with deployment.changing() as work:
        work.keys.revoke(active)
    assert sorted(logged(deployment)) == [
        ("key_active", next_key, "announced"),
        ("key_announced", kids(deployment)[-1], None),
        ("key_revoked", active, "active"),
    ]


def test_a_key_that_signs_at_once_is_logged_as_announced_and_as_active(deployment: Deployment):
    """As the first key of an algorithm does, and one created when there was no next key."""
    before = kids(deployment)
    with deployment.changing() as work:
        for kid in before:
            work.keys.revoke(kid)
    lines = logged(deployment)
    (fresh, _) = (kid for kid in kids(deployment) if kid not in before)
    assert ("key_announced", fresh, None) in lines
    assert ("key_active", fresh, "announced") in lines
