"""The change counters, which every process polls."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from issuer.database.tables import ChangeCounter, RevocationFeedRow

IN_MEMORY = ChangeCounter.value - ChangeCounter.of_people
_LOCK = select(ChangeCounter.value).with_for_update()
_IS_LOCKED = "changes_locked"  # of a session, which has one transaction


@dataclass(frozen=True, slots=True)
class FeedState:
    """How many changes the revocation feed has had, and its `iat`."""

    count: int
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class ChangeCounts:
    """Changes by the database's clock; `in_memory`: without those of people alone."""

    changes: int
    in_memory: int
    feed: FeedState
    read_at: datetime


def lock_changes(session: Session) -> None:
    """Let the next change wait until this transaction ends; SQLite has only one writer."""
    if not session.info.get(_IS_LOCKED):
        session.execute(_LOCK)
        session.info[_IS_LOCKED] = True


def read_change_count(session: Session) -> int:
    """The change counter as this transaction sees it."""
    return session.scalars(select(ChangeCounter.value)).one()


def read_count_in_memory(session: Session) -> int:
    """How many changes this transaction sees of what processes hold in memory."""
    return session.scalars(select(IN_MEMORY)).one()


def read_feed_state(session: Session) -> FeedState:
    """The state of the revocation feed as this transaction sees it."""
    row = session.execute(select(RevocationFeedRow.count, RevocationFeedRow.issued_at))
    return FeedState(*row.one())


def wait_for_revocations(connection: Connection) -> None:
    """Wait for those that are being committed; others wait until this transaction ends.

    On SQLite a transaction that writes has waited already. On PostgreSQL this locks the table: of
    those who wait for a table, who came first is next. Who waits for a row may wait for ever, while
    one after the other shares it.
    """
    if connection.dialect.name != "sqlite":
        connection.exec_driver_sql("LOCK TABLE revocation_feed IN SHARE MODE")


def read_feed_count(connection: Connection) -> int:
    """How many changes the revocation feed has had, for a transaction without a session."""
    return int(connection.exec_driver_sql("SELECT count FROM revocation_feed").scalar_one())
