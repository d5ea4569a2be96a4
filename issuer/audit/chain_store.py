"""Audit events, and the chains in which they are stored.

Each row carries a keyed hash (HMAC) over itself and the row before it. Someone who can change the
table but cannot read the master key cannot remove, insert or change a row without detection.
"""

import hmac
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any, cast

import sqlalchemy as sql

from issuer.database import Connection, Database
from issuer.database.engine import sqlite_connection
from issuer.database.tables import AuditEventRow, RevocationFeedRow
from issuer.http.actor import Actor
from issuer.telemetry.metrics import AUDIT
from issuer.values import value

# The chain of events written in the transaction of a change: one for all processes.
CHANGES = "changes"
HASH_BYTES = 32
# The columns that are hashed, in this order.
COLUMNS = (
    *("id", "at", "actor", "action", "target", "outcome", "reason", "request_id", "address"),
    *("count", "details", "chain", "seq"),
)
_EVENTS = cast(sql.Table, AuditEventRow.__table__)
_FEED = RevocationFeedRow.__tablename__
NAMES = [*COLUMNS, "hash"]
# Each row with parameters of its own would take three times as long.
_INSERT_JSON = sql.insert(_EVENTS).from_select(
    NAMES,
    sql.select(*map(sql.column, NAMES)).select_from(
        sql.func.json_populate_recordset(
            sql.literal_column("NULL::audit_events"),
            sql.cast(sql.bindparam("rows", type_=sql.Text), sql.JSON),
        ).alias()
    ),
)
# Runs with every commit, and takes as long as adding a few rows: no SQLAlchemy.
_LAST_ID = f"SELECT max(id), (SELECT count FROM {_FEED}) FROM {_EVENTS.name}"  # noqa: S608 - names of ours
_INSERT_STORED = (  # names of ours alone
    f"INSERT INTO {_EVENTS.name} ({', '.join(NAMES)}) VALUES ({', '.join('?' for _ in NAMES)})"  # noqa: S608
)
_FOLLOWING_IDS = sql.select(
    sql.func.nextval(sql.func.pg_get_serial_sequence(AuditEventRow.__tablename__, "id")),
    sql.select(RevocationFeedRow.count).scalar_subquery(),
).select_from(sql.func.generate_series(1, sql.bindparam("number", type_=sql.Integer)).alias())
_encode = json.JSONEncoder(separators=(",", ":")).encode
# A chain is not continued when its last row is older: retention may have deleted that row.
RESTS_FOR = timedelta(days=1)


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"


@value
class Event:
    """What happened at `at`. `count` is more than 1 for equal refusals in one event.

    It never holds a secret, a password or a token; `jti` refers to the token.
    """

    at: datetime
    actor: Actor
    action: str
    target: str | None = None
    outcome: Outcome = Outcome.DONE
    reason: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)
    count: int = 1


@value
class ChainHead:
    """The last row of a chain, which the next one continues; the default is an empty chain."""

    seq: int = 0
    hash: bytes = bytes(HASH_BYTES)


class ChainKey:
    """The key of every hash in the audit log."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, before: bytes, columns: Sequence[object]) -> bytes:
        """The hash of the row with these `COLUMNS`, as stored, after one with the hash `before`.

        `TypeError` for a value that the issuer never writes.
        """
        return hmac.digest(self._key, before + _encode(columns).encode(), "sha256")

    def mac(self, token: str) -> bytes:
        """The hash of a checkpoint."""
        return hmac.digest(self._key, b"checkpoint " + token.encode(), "sha256")

    def is_mac(self, mac: bytes, token: str) -> bool:
        """Whether `mac` is the hash of the checkpoint."""
        return hmac.compare_digest(mac, self.mac(token))


def append(
    key: ChainKey, connection: Connection, chain: str, end: ChainHead, events: Sequence[Event]
) -> tuple[ChainHead, int]:
    """Add `events` after `end` in one statement; the new end, if the transaction commits.

    And how many changes the revocation feed had before, which is read with the ids of the rows.
    """
    ids, feed_count = _new_ids(connection, len(events))
    rows, seq, last = [], end.seq, end.hash
    for row_id, event in zip(ids, events, strict=True):
        seq += 1
        stored = _columns(event, row_id, chain, seq)
        last = key.hash(last, stored)
        rows.append((*stored, last))
    if connection.dialect.name == "sqlite":
        sqlite_connection(connection).executemany(_INSERT_STORED, rows)
    else:
        as_json = list(map(_as_json, rows, events))
        connection.execute(_INSERT_JSON, {"rows": json.dumps(as_json)})
    return ChainHead(seq, last), feed_count


def _new_ids(connection: Connection, number: int) -> tuple[Sequence[int], int]:
    """Ids for the next `number` rows, ascending, and the count of the feed.

    Needed before the INSERT: they are hashed.
    """
    if connection.dialect.name == "sqlite":
        last, feed_count = sqlite_connection(connection).execute(_LAST_ID).fetchone()
        return range((last or 0) + 1, (last or 0) + 1 + number), feed_count
    ids, feed_counts = zip(*connection.execute(_FOLLOWING_IDS, {"number": number}), strict=True)
    return sorted(ids), feed_counts[0]


def _columns(event: Event, row_id: int, chain: str, seq: int) -> tuple[Any, ...]:
    """The `COLUMNS` of its row as text, alike on both databases: rows may be moved to the other."""
    return (
        row_id,
        event.at.astimezone(UTC).isoformat(" ", "microseconds").removesuffix("+00:00"),
        event.actor.id,
        event.action,
        event.target,
        event.outcome.value,
        event.reason,
        event.actor.request_id,
        event.actor.address,
        event.count,
        json.dumps(dict(event.details)),
        chain,
        seq,
    )


def _as_json(row: tuple[Any, ...], event: Event) -> dict[str, object]:
    stored = dict(zip(NAMES, row, strict=True))
    # Without a zone, PostgreSQL would use that of the session, which a pooler may have changed.
    at = f"{stored['at']}+00"
    details = dict(event.details)
    return {**stored, "at": at, "details": details, "hash": f"\\x{stored['hash'].hex()}"}


class OwnChain:
    """A chain of its own, which is extended without waiting for other writers."""

    def __init__(self, database: Database, key: ChainKey, random: Random) -> None:
        self._database = database
        self._key = key
        self._random = random
        self._id = self._new_id()
        self._end = ChainHead()
        self._last_at: datetime | None = None
        self._lock = threading.Lock()

    def append(self, events: Sequence[Event]) -> int:
        """Commit `events`, or `Unavailable`; how many changes the revocation feed had before."""
        with self.writing() as connection:
            return self.extend(connection, events)

    @contextmanager
    def writing(self, kind: str = AUDIT) -> Iterator[Connection]:
        """A transaction for `extend` and what its events are about. One at a time."""
        with self._lock:
            try:
                with self._database.statements(kind) as connection:
                    yield connection
            except BaseException:
                # It may have been committed or not: a new chain is right either way.
                self._begin_another()
                raise

    def extend(self, connection: Connection, events: Sequence[Event]) -> int:
        """Add `events`, which the transaction `connection` commits; the count as of `append`."""
        if self._last_at and events[0].at - self._last_at > RESTS_FOR:
            self._begin_another()
        self._end, feed_count = append(self._key, connection, self._id, self._end, events)
        self._last_at = events[-1].at
        return feed_count

    def _begin_another(self) -> None:
        self._id, self._end, self._last_at = self._new_id(), ChainHead(), None

    def _new_id(self) -> str:
        return f"{self._random.getrandbits(128):032x}"
