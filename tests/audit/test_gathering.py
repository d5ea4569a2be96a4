"""Refusals of a flood, counted and written once a minute."""

from random import Random

import pytest
from sqlalchemy import select

from issuer.audit import Actor, Event, RefusalAggregator
from issuer.audit.chain_store import Outcome
from issuer.database import Database
from issuer.database.tables import AuditEventRow
from tests.audit.conftest import CHAIN_KEY
from tests.builders import FakeClock

CLOCK = FakeClock()


def refused(address: str, request_id: str = "r") -> Event:
    actor = Actor(None, request_id, address)
    return Event(CLOCK(), actor, "token.refused", outcome=Outcome.REFUSED, reason="too many")


def counted(database: Database) -> dict[str | None, int]:
    with database.reading() as session:
        return {row.address: row.count for row in session.scalars(select(AuditEventRow))}


def test_equal_refusals_are_one_event(database: Database):
    refusals = RefusalAggregator(database, CHAIN_KEY, Random(1))
    for number in range(5):
        refusals.note(refused("192.0.2.1", request_id=str(number)))
    refusals.note(refused("192.0.2.2"))
    refusals.write()
    refusals.write()
    assert counted(database) == {"192.0.2.1": 5, "192.0.2.2": 1}


def test_refusals_beyond_the_maximum_of_kinds_are_one_event(database: Database):
    refusals = RefusalAggregator(database, CHAIN_KEY, Random(1), max_kinds=3)
    for number in range(100):
        refusals.note(refused(f"192.0.2.{number}"))
    refusals.note(refused("192.0.2.1"))
    refusals.write()
    assert counted(database) == {"192.0.2.0": 1, "192.0.2.1": 2, "192.0.2.2": 1, None: 97}


def test_counts_that_could_not_be_written_are_kept_for_the_next_time(database: Database):
    with database.transaction() as session:
        session.connection().exec_driver_sql("ALTER TABLE audit_events RENAME TO away")
    refusals = RefusalAggregator(database, CHAIN_KEY, Random(1))
    refusals.note(refused("192.0.2.1"))
    with pytest.raises(Exception):  # noqa: B017 - whatever the database says
        refusals.write()
    refusals.note(refused("192.0.2.1"))
    with database.transaction() as session:
        session.connection().exec_driver_sql("ALTER TABLE away RENAME TO audit_events")
    refusals.write()
    assert counted(database) == {"192.0.2.1": 2}
