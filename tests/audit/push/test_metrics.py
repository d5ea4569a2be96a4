"""What the metrics say about audit events that are sent elsewhere."""

from random import Random

from issuer.audit.push.destination import RENDERERS
from issuer.audit.push.pusher import Pusher
from issuer.database import Database
from issuer.status.metrics import audit_push
from tests.audit.push.test_pusher import FakeReceiver, Writer
from tests.builders import FakeClock


def values(pusher: Pusher | None) -> dict[str, float]:
    return {
        "/".join([sample.name, *sample.labels.values()]): sample.value
        for metric in audit_push(pusher)
        for sample in metric.samples
    }


def test_events_that_wait_failures_and_the_last_success_are_shown(
    database: Database, clock: FakeClock
):
    receiver = FakeReceiver()
    receiver.faults = ["answer lost"]
    pusher = Pusher(database, clock, Random(1), receiver, RENDERERS["json"])
    Writer(database, "a").write(3)
    pusher.push()
    found = values(pusher)
    assert found["issuer_audit_push_events_behind"] == 3
    assert found["issuer_audit_push_success_timestamp_seconds"] == 0
    assert found["issuer_audit_push_failures_total/timeout"] == 1
    assert found["issuer_audit_push_failures_total/tls"] == 0
    clock.now = pusher.state.progress.retry_at
    pusher.push()
    found = values(pusher)
    assert found["issuer_audit_push_events_behind"] == 0
    assert found["issuer_audit_push_success_timestamp_seconds"] == clock.now.timestamp()


def test_without_a_destination_everything_is_0():
    assert set(values(None).values()) == {0}
