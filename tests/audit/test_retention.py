"""Old events are deleted, and the rest can still be verified."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import Table, delete, insert, select, update

from issuer.audit import Actor, Event, Retention
from issuer.composition import compose
from issuer.database.tables import AuditCheckpointRow, AuditEventRow
from issuer.errors import NotAllowed
from issuer.settings import Settings
from tests.audit.conftest import Recorded
from tests.builders import FakeClock
from tests.killing import killed

EVENTS: Table = AuditEventRow.__table__
CHECKPOINTS: Table = AuditCheckpointRow.__table__
KEEP = timedelta(days=30)

pytestmark = pytest.mark.parametrize("more_settings", [{"audit_keep": "30d"}])


@pytest.fixture
def retention(recorded: Recorded, clock: FakeClock) -> Retention:
    foundation, checkpoints = recorded.services.foundation, recorded.services.audit.checkpoints
    parts = (foundation.database, clock, foundation.chain_key, foundation.trails)
    return Retention(*parts, checkpoints, KEEP)


def record_weeks(recorded: Recorded, clock: FakeClock, weeks: int) -> None:
    """A server that starts every week, a change, and a checkpoint."""
    for week in range(weeks):
        recorded.change(f"role-{clock.now.date()}")
        recorded.server(*(f"{week}-{number}" for number in range(3)))
        recorded.services.audit.checkpoints.make()
        clock.move(timedelta(days=7))


def targets(recorded: Recorded) -> list[str]:
    with recorded.services.database.engine.connect() as connection:
        return list(connection.scalars(select(EVENTS.c.target).order_by(EVENTS.c.id)))


def test_old_events_are_deleted_and_the_rest_is_verified(
    recorded: Recorded, retention: Retention, clock: FakeClock
):
    record_weeks(recorded, clock, 8)
    events = len(targets(recorded))
    deleted = retention.prune()
    left = targets(recorded)
    assert deleted > 3 * 4
    assert len(left) == events - deleted + 1, "and one that announces the deletion"
    assert left[-1] == "audit_events"
    found = recorded.verify()
    assert (found.finding, found.rows) == (None, len(left))
    assert found.since is not None
    assert found.since <= clock.now - KEEP
    record_weeks(recorded, clock, 2)
    assert retention.prune() > 0
    assert retention.prune() == 0
    record_weeks(recorded, clock, 1)
    assert recorded.verify().ok


def test_events_that_no_checkpoint_covers_are_kept(
    recorded: Recorded, retention: Retention, clock: FakeClock
):
    recorded.server("1", "2")
    clock.move(timedelta(days=100))
    assert retention.prune() == 0
    recorded.services.audit.checkpoints.make()
    assert retention.prune() == 0
    clock.move(timedelta(days=100))
    assert retention.prune() > 0
    assert recorded.verify().ok


def test_changes_after_retention_are_found(
    recorded: Recorded, retention: Retention, clock: FakeClock
):
    record_weeks(recorded, clock, 8)
    with recorded.services.database.engine.connect() as connection:
        old = dict(connection.execute(select(EVENTS).order_by(EVENTS.c.id)).mappings().first())
    retention.prune()
    with recorded.services.database.engine.begin() as connection:
        rows = connection.execute(select(EVENTS).order_by(EVENTS.c.id)).mappings().all()
        connection.execute(delete(EVENTS).where(EVENTS.c.id == rows[0]["id"]))
    found = recorded.verify().finding
    assert found is not None
    assert found.chain == rows[0]["chain"]
    with recorded.services.database.engine.begin() as connection:
        connection.execute(insert(EVENTS).values(dict(rows[0])))
    assert recorded.verify().ok
    with recorded.services.database.engine.begin() as connection:
        connection.execute(insert(EVENTS).values(old))
    found = recorded.verify().finding
    assert found is not None
    assert (found.row, "inserted again" in found.what) == (old["id"], True)


@pytest.fixture
def prune(settings: Settings, clock: FakeClock) -> Callable[[], None]:
    """Run retention as in a new process."""

    def prune() -> None:
        services = compose(settings, clock)
        services.keys.keyring.reload()
        services.audit.prune()

    return prune


def test_retention_continues_after_being_killed_at_any_step(
    recorded: Recorded, clock: FakeClock, prune: Callable[[], None]
):
    record_weeks(recorded, clock, 8)
    recorded.services.database.dispose()

    steps = [killed(prune, before=1), killed(prune, before=0), killed(prune, before=99)]
    assert steps == ["commit", "commit", None]
    found = recorded.verify()
    assert found.ok
    assert found.since is not None


def test_verification_succeeds_while_retention_deletes(
    recorded: Recorded, clock: FakeClock, prune: Callable[[], None]
):
    record_weeks(recorded, clock, 8)
    recorded.services.database.dispose()

    assert killed(prune, before=1) == "commit"
    assert recorded.verify().ok
    with recorded.services.database.engine.begin() as connection:
        newest = connection.scalars(select(EVENTS.c.id).order_by(EVENTS.c.id.desc())).first()
        connection.execute(update(EVENTS).where(EVENTS.c.id == newest).values(actor="x"))
    assert recorded.verify().finding.row == newest


def test_nothing_is_deleted_after_checkpoints_were_changed(
    recorded: Recorded, retention: Retention, clock: FakeClock
):
    record_weeks(recorded, clock, 8)
    with recorded.services.database.engine.begin() as connection:
        connection.execute(delete(CHECKPOINTS).where(CHECKPOINTS.c.number == 5))
    before = targets(recorded)
    with pytest.raises(NotAllowed):
        retention.prune()
    assert targets(recorded) == before


def test_a_writer_that_was_idle_for_long_begins_another_chain(
    recorded: Recorded, retention: Retention, clock: FakeClock
):
    """Retention may have deleted the end of the old one."""
    writer = recorded.new_writer(Random(7))
    writer.start()

    def record() -> None:
        event = Event(clock(), Actor("ci-bot"), "token.issued")
        asyncio.run(writer.record(event))

    record()
    clock.move(timedelta(hours=23))
    record()
    recorded.services.audit.checkpoints.make()
    clock.move(KEEP + timedelta(days=1))
    assert retention.prune() > 0
    record()
    writer.stop()
    recorded.services.audit.checkpoints.make()
    assert recorded.verify().ok
    with recorded.services.database.engine.connect() as connection:
        assert connection.scalars(select(EVENTS.c.seq).order_by(EVENTS.c.id.desc())).first() == 1
