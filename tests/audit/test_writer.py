"""Group commit of audit events."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from issuer.audit import Actor, AuditWriter, Event, RefusalAggregator
from issuer.audit.chain_store import Outcome
from issuer.database import Database
from issuer.database.tables import AuditEventRow
from issuer.errors import Unavailable
from tests.audit.conftest import CHAIN_KEY
from tests.builders import FakeClock

CLOCK = FakeClock()


@pytest.fixture
def refusals(database: Database) -> RefusalAggregator:
    return RefusalAggregator(database, CHAIN_KEY, Random())


@pytest.fixture
def writer(database: Database, refusals: RefusalAggregator) -> Iterator[AuditWriter]:
    writer = AuditWriter(database, CHAIN_KEY, Random(), refusals)
    writer.start()
    yield writer
    writer.stop()


def done(number: int) -> Event:
    return Event(CLOCK(), Actor("a"), "token.issued", target=str(number))


def refused(address: str, request_id: str = "r") -> Event:
    actor = Actor(None, request_id, address)
    return Event(CLOCK(), actor, "token.refused", outcome=Outcome.REFUSED, reason="wrong secret")


def rows(database: Database) -> list[AuditEventRow]:
    with database.reading() as session:
        return list(session.scalars(select(AuditEventRow).order_by(AuditEventRow.id)))


def test_an_event_is_durable_when_record_returns(database: Database, writer: AuditWriter):
    asyncio.run(writer.record(done(1)))
    assert [row.target for row in rows(database)] == ["1"]


def test_many_events_share_few_commits(database: Database, writer: AuditWriter):
    commits = []
    sqlalchemy_event.listen(database.engine, "commit", lambda _: commits.append(1))
    asyncio.run(record_all(writer, [done(number) for number in range(500)]))
    assert len(rows(database)) == 500
    assert len(commits) < 5


def test_equal_refusals_become_one_row_and_issued_tokens_never(
    database: Database, writer: AuditWriter
):
    flood = [refused("10.0.0.1", str(number)) for number in range(300)]
    asyncio.run(record_all(writer, [*flood, refused("10.0.0.2"), done(1), done(1)]))
    writer.stop()
    recorded = rows(database)
    assert len(recorded) < 100
    assert sum(row.count for row in recorded if row.address == "10.0.0.1") == 300
    assert [row.count for row in recorded if row.outcome == "done"] == [1, 1]


def test_a_flood_of_refusals_leaves_few_rows_however_they_differ(
    database: Database, writer: AuditWriter, refusals: RefusalAggregator
):
    """Sixty rows a minute of a network, then a count; other events are all written."""
    clock = FakeClock()

    async def flood() -> None:
        for minute in range(3):
            for number in range(100):
                several = [
                    Event(
                        clock(),
                        Actor(None, "r", f"2001:db8:0:1::{each}"),
                        "token.refused",
                        target=f"client-{minute}-{number}-{each}",
                        outcome=Outcome.REFUSED,
                    )
                    for each in range(10)
                ]
                await record_all(writer, [*several, done(number)])
            clock.move(timedelta(minutes=1))
            refusals.write()

    asyncio.run(flood())
    writer.stop()
    recorded = [row for row in rows(database) if row.outcome == "refused"]
    assert sum(row.count for row in recorded) == 3_000
    assert len(recorded) == 3 * 61
    assert len(rows(database)) - len(recorded) == 300
    (many,) = [row for row in recorded if row.reason == "one of many"][:1]
    assert (many.address, many.target, many.actor) == ("2001:db8:0:1::/64", None, None)


def test_a_flood_from_everywhere_is_bounded_too(
    database: Database, writer: AuditWriter, refusals: RefusalAggregator
):
    """Two hundred rows and a hundred counts a minute."""
    flood = [refused(f"10.0.{number // 256}.{number % 256}") for number in range(2_000)]
    asyncio.run(record_all(writer, flood))
    refusals.write()
    assert sum(row.count for row in rows(database)) == 2_000
    assert len(rows(database)) <= 301


def test_the_refusals_of_a_client_are_listed_while_others_flood(
    database: Database, writer: AuditWriter
):
    flood = [refused(f"10.0.{number // 256}.{number % 256}") for number in range(300)]
    asyncio.run(record_all(writer, flood))
    ours = replace(refused("192.0.2.1"), actor=Actor("ci-bot", "r", "192.0.2.1"))
    asyncio.run(writer.record(ours))
    assert [row.actor for row in rows(database) if row.address == "192.0.2.1"] == ["ci-bot"]


def test_stopping_commits_what_is_waiting(database: Database, refusals: RefusalAggregator):
    writer = AuditWriter(database, CHAIN_KEY, Random(), refusals)

    async def record_and_stop() -> None:
        waiting = [asyncio.ensure_future(writer.record(done(number))) for number in range(50)]
        await asyncio.sleep(0)
        writer.start()
        await asyncio.to_thread(writer.stop)
        await asyncio.gather(*waiting)

    asyncio.run(record_and_stop())
    assert len(rows(database)) == 50


def test_an_unavailable_database_fails_the_waiting_events_and_not_the_writer(
    database: Database, writer: AuditWriter
):
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE audit_events RENAME TO gone")
    with pytest.raises((Unavailable, DBAPIError)):
        asyncio.run(writer.record(done(1)))
    with database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE gone RENAME TO audit_events")
    asyncio.run(writer.record(done(2)))
    assert [row.target for row in rows(database)] == ["2"]


def test_an_event_that_cannot_be_stored_fails_alone(database: Database, writer: AuditWriter):
    poison = Event(CLOCK(), Actor("a"), "token.issued", details={"not": object()})

    async def record() -> list[object]:
        events = [done(1), poison, done(2)]
        return await asyncio.gather(*map(writer.record, events), return_exceptions=True)

    first, failed, last = asyncio.run(record())
    assert (first, last) == (0, 0)  # the count of the revocation feed, which has had no change
    assert isinstance(failed, Exception)
    assert [row.target for row in rows(database)] == ["1", "2"]


def test_events_beyond_the_queue_are_refused(database: Database, refusals: RefusalAggregator):
    """Not started: nothing leaves the queue."""
    writer = AuditWriter(database, CHAIN_KEY, Random(), refusals, max_waiting=10)

    async def overflow() -> None:
        waiting = [asyncio.ensure_future(writer.record(done(number))) for number in range(10)]
        await asyncio.sleep(0)
        try:
            with pytest.raises(Unavailable):
                await writer.record(done(11))
        finally:
            for one in waiting:
                one.cancel()

    asyncio.run(overflow())


async def record_all(writer: AuditWriter, events: list[Event]) -> None:
    await asyncio.gather(*(writer.record(event) for event in events))
